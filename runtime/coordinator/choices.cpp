#include "runtime/coordinator/choices.h"

#include <algorithm>
#include <utility>

namespace shoal::coordinator {
namespace {

struct Group {
  std::shared_ptr<StreamSink> sink;
  std::vector<Finished> finished;  // by choice, once it is
  int left = 0;
  bool failed = false;
};

Finished merged(const std::vector<Finished>& choices) {
  Finished out = choices.front();
  out.choices.clear();
  out.usage.completion_tokens = 0;
  for (const Finished& one : choices) {
    out.usage.completion_tokens += one.usage.completion_tokens;
    out.timings.total = std::max(out.timings.total, one.timings.total);
    out.timings.decode = std::max(out.timings.decode, one.timings.decode);
    out.choices.insert(out.choices.end(), one.choices.begin(), one.choices.end());
    // A request that was ended from outside has not finished, whatever its choices did before.
    if (one.reason == FinishReason::kCancelled || one.reason == FinishReason::kTimeLimit)
      out.reason = one.reason;
  }
  return out;
}

class ChoiceSink final : public StreamSink {
 public:
  ChoiceSink(std::shared_ptr<Group> group, int index) : group_(std::move(group)), index_(index) {}

  void accepted(const Accepted& event) override {
    if (index_ == 0) group_->sink->accepted(event);
  }
  void delta(Delta event) override {
    event.index = index_;
    if (!group_->failed) group_->sink->delta(std::move(event));
  }
  void scored(std::vector<plan::TokenScore> scores) override {
    if (index_ == 0 && !group_->failed) group_->sink->scored(std::move(scores));
  }
  void finished(const Finished& event) override {
    group_->finished[static_cast<size_t>(index_)] = event;
    if (--group_->left == 0 && !group_->failed) group_->sink->finished(merged(group_->finished));
  }
  void failed(const Failure& failure) override {
    if (!std::exchange(group_->failed, true)) group_->sink->failed(failure);
  }

 private:
  std::shared_ptr<Group> group_;
  int index_;
};

}  // namespace

uint64_t choice_seed(uint64_t seed, int index) {
  if (index == 0) return seed;
  // SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): spreads near seeds far apart.
  // The result keeps 53 bits, as seeds that the server draws do.
  uint64_t mixed = seed + static_cast<uint64_t>(index) * 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return (mixed ^ (mixed >> 31)) >> 11;
}

std::vector<std::shared_ptr<StreamSink>> split_sink(int num_choices,
                                                    std::shared_ptr<StreamSink> sink) {
  if (num_choices == 1) return {std::move(sink)};
  const auto group = std::make_shared<Group>();
  group->sink = std::move(sink);
  group->finished.resize(static_cast<size_t>(num_choices));
  group->left = num_choices;
  std::vector<std::shared_ptr<StreamSink>> out;
  for (int index = 0; index < num_choices; ++index)
    out.push_back(std::make_shared<ChoiceSink>(group, index));
  return out;
}

}  // namespace shoal::coordinator
