// What a control door tells, kept for tests that wait for it; and a worker's channel without a
// GrpcPlanSource, for frames that no rank would send.
#pragma once
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/control/link_credentials.h"
#include "runtime/coordinator/rank_links.h"

namespace shoal::coordinator {

using control::ToCoordinator;

inline constexpr auto kPatience = std::chrono::seconds(10);

class RecordedEvents final : public RankLinkEvents {
 public:
  void on_message(LinkId link, ToCoordinator message) override {
    std::lock_guard lock(mutex_);
    messages_.emplace_back(link, std::move(message));
    changed_.notify_all();
  }
  void on_closed(LinkId link) override {
    std::lock_guard lock(mutex_);
    ++closed_[link];
    changed_.notify_all();
  }

  // The n-th message of a kind, waited for.
  template <class Message>
  std::optional<std::pair<LinkId, Message>> nth(size_t n) {
    std::unique_lock lock(mutex_);
    std::optional<std::pair<LinkId, Message>> found;
    changed_.wait_for(lock, kPatience, [&] {
      size_t seen = 0;
      for (const auto& [link, message] : messages_) {
        const auto* wanted = std::get_if<Message>(&message);
        if (wanted && seen++ == n) found.emplace(link, *wanted);
      }
      return found.has_value();
    });
    return found;
  }
  // A heartbeat that says so.
  bool heard_step(plan::StepId step) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] {
      for (const auto& [link, message] : messages_) {
        const auto* beat = std::get_if<control::Heartbeat>(&message);
        if (beat && beat->last_step == step) return true;
      }
      return false;
    });
  }
  bool wait_closed(size_t num_links) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return closed_.size() >= num_links; });
  }
  size_t num_messages() {
    std::lock_guard lock(mutex_);
    return messages_.size();
  }
  std::map<LinkId, int> closed() {
    std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<LinkId, ToCoordinator>> messages_;
  std::map<LinkId, int> closed_;
};

inline std::shared_ptr<grpc::Channel> channel_of(const std::string& address,
                                                 const control::LinkCredentials& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel(
      address,
      grpc::SslCredentials({credentials.authority, credentials.key, credentials.certificate}),
      arguments);
}

}  // namespace shoal::coordinator
