// The exchange on a device's queue against formulas, at odd sizes. With SHOAL_BACKEND=cuda on GPUs
// over NCCL (tests/gpu/nccl_ranks.sh), else its twin on the host.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <numeric>

#include "runtime/device/device_facts.h"
#include "tests/ranks/device_backend.h"
#include "tests/ranks/made_up_experts.h"
#include "transport/device_expert_all_to_all.h"

namespace shoal::transport {
namespace {

using device::Memory;

// This rank's queue and comm, made once: making them is collective.
struct DeviceWorld {
  device::Queue queue{test_backend()};
  std::unique_ptr<DeviceComm> comm;
  DeviceWorld() {
    comm = make_device_comm(world_comm(), queue);
    comm->connect(Deadline::after(std::chrono::seconds(60)));
    queue.watch_with([this](bool late) { comm->check(late); });
  }
};
std::unique_ptr<DeviceWorld> world;

// Before and after the tests, for NCCL ends with MPI still there.
class WorldEnvironment final : public testing::Environment {
  void SetUp() override { world = std::make_unique<DeviceWorld>(); }
  void TearDown() override { world.reset(); }
};
const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new WorldEnvironment);

Deadline patient() { return Deadline::after(std::chrono::seconds(30)); }

Memory on_device(size_t bytes) { return {device::compute_memory(test_backend()), bytes}; }

template <class T>
Memory upload(const std::vector<T>& values) {
  Memory memory = on_device(std::max<size_t>(values.size() * sizeof(T), 1));
  world->queue.copy(memory.data(), values.data(), values.size() * sizeof(T));
  world->queue.wait(patient());
  return memory;
}

template <class T>
std::vector<T> download(const void* from, size_t count) {
  std::vector<T> values(count);
  world->queue.copy(values.data(), from, count * sizeof(T));
  world->queue.wait(patient());
  return values;
}

uint8_t byte_of(int from, int to, size_t at, int round) {
  return static_cast<uint8_t>(from * 31 + to * 7 + static_cast<int>(at % 251) + round * 13);
}

// Rank i sends base + 3 i + 5 j bytes to rank j: unlike sizes, none of them round.
struct AllToAll {
  size_t base;
  Memory out, in;
  std::vector<DeviceSend> sends;
  std::vector<DeviceReceive> receives;

  size_t bytes(int from, int to) const {
    return base == 0 ? 0 : base + 3 * static_cast<size_t>(from) + 5 * static_cast<size_t>(to);
  }
  explicit AllToAll(size_t base_bytes) : base(base_bytes) {
    const int own = world->comm->rank();
    size_t out_bytes = 0, in_bytes = 0;
    for (int peer = 0; peer < world->comm->size(); ++peer) {
      out_bytes += bytes(own, peer);
      in_bytes += bytes(peer, own);
    }
    out = on_device(out_bytes + 1);
    in = on_device(in_bytes + 1);
    size_t out_at = 0, in_at = 0;
    for (int peer = 0; peer < world->comm->size(); ++peer) {
      sends.push_back({peer, out.data() + out_at, bytes(own, peer)});
      receives.push_back({peer, in.data() + in_at, bytes(peer, own)});
      out_at += bytes(own, peer);
      in_at += bytes(peer, own);
    }
  }
  void fill(int round) const {
    std::vector<uint8_t> values;
    for (const DeviceSend& send : sends)
      for (size_t i = 0; i < send.bytes; ++i)
        values.push_back(byte_of(world->comm->rank(), send.to, i, round));
    world->queue.copy(out.data(), values.data(), values.size());
    world->queue.wait(patient());
  }
  void expect(int round) const {
    const auto values = download<uint8_t>(in.data(), in.size() - 1);
    size_t at = 0;
    for (const DeviceReceive& receive : receives)
      for (size_t i = 0; i < receive.bytes; ++i, ++at)
        ASSERT_EQ(values[at], byte_of(receive.from, world->comm->rank(), i, round))
            << "from " << receive.from << " byte " << i << " round " << round;
  }
};

TEST(DeviceExchange, AllToAllAtOddSizes) {
  world->comm->set_deadline(patient());
  for (const size_t base : {size_t{0}, size_t{1}, size_t{17}, size_t{4099}, size_t{1} << 20}) {
    const AllToAll all(base);
    all.fill(1);
    world->comm->exchange(all.sends, all.receives);
    world->queue.wait(patient());
    all.expect(1);
  }
}

TEST(DeviceExchange, RecordedOnceAndLaunchedOften) {
  world->comm->set_deadline(patient());
  const AllToAll all(333);
  const device::Graph graph(world->queue, [&] { world->comm->exchange(all.sends, all.receives); });
  for (int round = 0; round < 4; ++round) {
    all.fill(round);
    graph.launch(world->queue);
    world->queue.wait(patient());
    all.expect(round);
  }
}

// One MoE layer with experts that are a formula.
class Layer {
 public:
  Layer(const MadeUpExperts& moe, int max_capacity, int64_t max_fixed_bytes)
      : moe_(moe),
        placement_(sharding::ExpertPlacement::contiguous(moe.num_experts, world->comm->size())),
        exchange_(*world->comm,
                  world->queue,
                  everyone(),
                  placement_,
                  {moe.hidden, moe.num_topk, max_capacity, max_fixed_bytes}) {}

  // `counts`: tokens of each rank.
  void run(const std::vector<int>& counts) {
    const int own_rank = world->comm->rank();
    int64_t first = 0;
    for (int rank = 0; rank < own_rank; ++rank) first += counts[static_cast<size_t>(rank)];
    std::vector<int64_t> tokens(static_cast<size_t>(counts[static_cast<size_t>(own_rank)]));
    std::iota(tokens.begin(), tokens.end(), first);
    const int capacity = *std::max_element(counts.begin(), counts.end());

    RoutedTokens routed(moe_, tokens);
    Routing routing = routed.routing(capacity);
    // As a model's scratch memory: room for the capacity behind the rows.
    const auto room = [&](auto values, size_t a_row) {
      values.resize(static_cast<size_t>(capacity) * a_row);
      return upload(values);
    };
    const auto hidden = static_cast<size_t>(moe_.hidden);
    const Memory values =
        moe_.quantized ? room(routed.int8_values, hidden) : room(routed.f32_values, hidden);
    const Memory scales = room(routed.scales, hidden / 32), sums = room(routed.sums, hidden / 32);
    const Memory ids = upload(routed.ids), weights = upload(routed.weights);
    routing.rows.values = values.data();
    if (moe_.quantized) {
      routing.rows.scales = scales.as<float>();
      routing.rows.sums = sums.as<float>();
    }
    routing.topk_ids.data = ids.data();
    routing.topk_weights.data = weights.data();
    std::vector<float> before;
    for (const int64_t token : tokens)
      for (int64_t c = 0; c < moe_.hidden; ++c) before.push_back(moe_.residual_before(token, c));
    const Memory residual = upload(before);

    const Exec exec{.stream = world->queue.view(), .deadline = patient()};
    world->comm->set_deadline(patient());
    DispatchHandle handle = exchange_.start_dispatch(routing, exec);
    const ExpertRows rows = exchange_.finish_dispatch(handle, exec);
    const Memory outputs = upload(run_experts(rows));
    exchange_.combine(
        std::move(handle),
        view_f32(outputs.as<float>(), rows.groups->num_pairs, moe_.hidden),
        view_f32(residual.as<float>(), static_cast<int64_t>(tokens.size()), moe_.hidden),
        exec);
    world->queue.wait(patient());
    const auto after = download<float>(residual.data(), before.size());
    for (size_t i = 0; i < after.size(); ++i)
      ASSERT_EQ(after[i], moe_.residual_after(tokens[i / hidden], static_cast<int64_t>(i % hidden)))
          << "token " << tokens[i / hidden] << " column " << i % hidden;
  }

 private:
  static std::vector<int> everyone() {
    std::vector<int> ranks(static_cast<size_t>(world->comm->size()));
    std::iota(ranks.begin(), ranks.end(), 0);
    return ranks;
  }

  // The formula's experts, reading only what arrived; the rows of unused slots are NaN.
  std::vector<float> run_experts(const ExpertRows& rows) const {
    const kernels::RowGroups& groups = *rows.groups;
    const auto count = static_cast<size_t>(rows.rows.rows * moe_.hidden);
    const auto int8s = download<int8_t>(rows.rows.values, moe_.quantized ? count : 0);
    const auto floats = download<float>(rows.rows.values, moe_.quantized ? 0 : count);
    const auto scales = download<float>(rows.rows.scales, moe_.quantized ? count / 32 : 0);
    const auto starts =
        download<int32_t>(groups.starts, static_cast<size_t>(groups.num_experts) + 1);
    const auto row_of_slot =
        download<int32_t>(groups.row_of_slot, static_cast<size_t>(groups.num_pairs));
    std::vector<float> outputs(static_cast<size_t>(groups.num_pairs * moe_.hidden), NAN);
    for (int local = 0; local < groups.num_experts; ++local) {
      const int32_t expert = placement_.experts(world->comm->rank())[static_cast<size_t>(local)];
      for (int64_t slot = starts[static_cast<size_t>(local)];
           slot < starts[static_cast<size_t>(local) + 1];
           ++slot)
        for (int64_t c = 0; c < moe_.hidden; ++c) {
          const auto at = static_cast<size_t>(
              int64_t{row_of_slot[static_cast<size_t>(slot)]} * moe_.hidden + c);
          const float input =
              moe_.quantized ? scales[at / 32] * static_cast<float>(int8s[at]) : floats[at];
          outputs[static_cast<size_t>(slot * moe_.hidden + c)] =
              MadeUpExperts::output(expert, input);
        }
    }
    return outputs;
  }

  MadeUpExperts moe_;
  sharding::ExpertPlacement placement_;
  DeviceExpertAllToAll exchange_;
};

std::vector<int> counts_of(std::initializer_list<int> pattern) {
  std::vector<int> counts;
  for (int rank = 0; rank < world->comm->size(); ++rank)
    counts.push_back(pattern.begin()[static_cast<size_t>(rank) % pattern.size()]);
  return counts;
}

// Messages at their longest, and of exact size; ranks without tokens; experts that do not divide.
TEST(DeviceExperts, ALayerEqualsItsFormula) {
  for (const bool quantized : {true, false})
    for (const int64_t max_fixed_bytes : {int64_t{16} << 20, int64_t{0}})
      for (const int hot_expert : {-1, 3}) {
        SCOPED_TRACE(fmt::format(
            "quantized {}, fixed {}, hot {}", quantized, max_fixed_bytes > 0, hot_expert));
        MadeUpExperts moe;
        moe.quantized = quantized;
        moe.hot_expert = hot_expert;
        Layer layer(moe, 40, max_fixed_bytes);
        for (const auto& pattern : {std::initializer_list<int>{1, 0}, {0, 1}, {7, 3, 0, 40}, {1}})
          layer.run(counts_of(pattern));
      }
}

// Not a test: what an exchange costs here. On one GPU shared by ranks the figures mean nothing.
TEST(DeviceExchange, Microseconds) {
  world->comm->set_deadline(patient());
  for (const size_t base : {size_t{4096}, size_t{65536}, size_t{1} << 20}) {
    const AllToAll all(base);
    const device::Graph graph(world->queue,
                              [&] { world->comm->exchange(all.sends, all.receives); });
    constexpr int kRuns = 20;
    const auto time = [&](const std::function<void()>& work) {
      work();
      world->queue.wait(patient());
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < kRuns; ++i) work();
      world->queue.wait(patient());
      return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
                 .count() /
             kRuns;
    };
    const double plain = time([&] { world->comm->exchange(all.sends, all.receives); });
    const double recorded = time([&] { graph.launch(world->queue); });
    if (world->comm->rank() == 0)
      fmt::print("{} ranks, {} bytes to each: {:.1f} us a call, {:.1f} us recorded\n",
                 world->comm->size(),
                 base,
                 plain,
                 recorded);
  }
}

}  // namespace
}  // namespace shoal::transport
