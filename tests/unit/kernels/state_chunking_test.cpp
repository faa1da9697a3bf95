// The promise "same state however it was built": conv history, DeltaNet state and KV cache carry
// the same bits after any chunking, in any company and on any number of threads.
#include "tests/unit/kernels/attention_case.h"
#include "tests/unit/kernels/delta_net_case.h"

namespace shoal::kernels {
namespace {

constexpr int kTokens = 300;  // more than one attention split
constexpr AttentionShape kAttention{4, 2, 32, 64, 16};
constexpr DeltaNetShape kDeltaNet{2, 4, 32};
constexpr int kKernel = 4;
constexpr int kSequences = 3;

// What three sequences of kTokens feed to a layer of each kind.
struct Streams {
  std::vector<std::vector<float>> conv_input;
  std::vector<DeltaNetInputs> scalars;  // `mixed` is what the convolution gives
  std::vector<AttentionInputs> attention;

  Streams() {
    for (uint32_t s = 0; s < kSequences; ++s) {
      conv_input.push_back(random_floats(kTokens * kDeltaNet.mixed_cols(), 100 + s));
      scalars.push_back(random_inputs(kDeltaNet, kTokens, 200 + 10 * s));
      attention.push_back(random_inputs(kAttention, kTokens, 300 + 10 * s));
    }
  }
};

std::vector<float> rows(const std::vector<float>& all, int begin, int end) {
  const int64_t cols = static_cast<int64_t>(all.size()) / kTokens;
  return {all.begin() + begin * cols, all.begin() + end * cols};
}

void append(std::vector<float>& to, const std::vector<float>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

struct Layers {
  std::vector<float> conv_state =
      std::vector<float>(kSequences * (kKernel - 1) * kDeltaNet.mixed_cols());
  std::vector<float> delta_state = std::vector<float>(kSequences * kDeltaNet.slot_floats());
  PagedCache cache{kAttention, kSequences, kTokens, 1};
  std::vector<std::vector<float>> delta_output{kSequences};
  std::vector<std::vector<float>> attention_output{kSequences};

  // Sequence s goes on by lengths[s] tokens from done[s].
  void step(Machine& machine,
            const Streams& streams,
            const std::vector<int>& lengths,
            const std::vector<int>& done) {
    std::vector<float> conv_input;
    DeltaNetInputs delta;
    AttentionInputs attention;
    for (int s = 0; s < kSequences; ++s) {
      const int begin = done[s], end = done[s] + lengths[s];
      append(conv_input, rows(streams.conv_input[s], begin, end));
      append(delta.alpha, rows(streams.scalars[s].alpha, begin, end));
      append(delta.beta, rows(streams.scalars[s].beta, begin, end));
      append(attention.query, rows(streams.attention[s].query, begin, end));
      append(attention.key, rows(streams.attention[s].key, begin, end));
      append(attention.value, rows(streams.attention[s].value, begin, end));
    }
    static const ConvCase conv(kDeltaNet.mixed_cols(), kKernel, 1);
    static const DeltaNetCase net(kDeltaNet, 2);
    const std::vector<int32_t> slots = {1, 0, 2};
    delta.mixed = conv.run(machine, conv_input, lengths, slots, conv_state);
    share_out(net.run(machine, delta, lengths, slots, delta_state), lengths, delta_output);
    share_out(cache.run(machine, attention, lengths, done), lengths, attention_output);
  }

 private:
  static void share_out(const std::vector<float>& output,
                        const std::vector<int>& lengths,
                        std::vector<std::vector<float>>& to) {
    const std::vector<int32_t> starts = starts_of(lengths);
    const int64_t cols = static_cast<int64_t>(output.size()) / std::max(1, starts.back());
    for (int s = 0; s < kSequences; ++s)
      to[s].insert(
          to[s].end(), output.begin() + starts[s] * cols, output.begin() + starts[s + 1] * cols);
  }
};

void expect_equal(const Layers& expected, const Layers& actual) {
  expect_same_bits(expected.conv_state, actual.conv_state);
  expect_same_bits(expected.delta_state, actual.delta_state);
  expect_same_bits(expected.cache.keys(), actual.cache.keys());
  expect_same_bits(expected.cache.values(), actual.cache.values());
  for (int s = 0; s < kSequences; ++s) {
    expect_same_bits(expected.delta_output[s], actual.delta_output[s]);
    expect_same_bits(expected.attention_output[s], actual.attention_output[s]);
  }
}

class StateChunking : public testing::TestWithParam<int> {};

// Chunks of 0 to `largest` tokens a sequence, chosen anew every step.
TEST_P(StateChunking, SameBitsAsOneByOne) {
  const Streams streams;
  static const Layers& expected = [&]() -> const Layers& {
    static Layers layers;
    Machine machine(Backend::kReference);
    for (int t = 0; t < kTokens; ++t) layers.step(machine, streams, {1, 1, 1}, {t, t, t});
    return layers;
  }();
  const int largest = GetParam();
  for (const int num_threads : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << num_threads << " threads");
    Machine machine(Backend::kCpu, num_threads);
    Layers layers;
    std::mt19937 generator(largest + num_threads);
    std::vector<int> done(kSequences, 0);
    while (std::any_of(done.begin(), done.end(), [](int n) { return n < kTokens; })) {
      std::vector<int> lengths(kSequences);
      for (int s = 0; s < kSequences; ++s)
        lengths[s] = std::min<int>(generator() % (largest + 1), kTokens - done[s]);
      layers.step(machine, streams, lengths, done);
      for (int s = 0; s < kSequences; ++s) done[s] += lengths[s];
    }
    expect_equal(expected, layers);
  }
}

INSTANTIATE_TEST_SUITE_P(Chunks, StateChunking, testing::Values(1, 3, 20, kTokens));

}  // namespace
}  // namespace shoal::kernels
