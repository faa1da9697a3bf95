// The requests of one HTTP body while they run: submitted as far as the queue has room, watched
// together with the client's connection, cancelled when it leaves. The connection's thread only.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/coordinator/http/event_queue.h"
#include "runtime/coordinator/http/http_server.h"
#include "runtime/coordinator/request_door.h"

namespace shoal::http {

class GenerationRun {
 public:
  GenerationRun(coordinator::RequestDoor& door,
                std::vector<coordinator::GenerationRequest> prompts);
  ~GenerationRun();  // cancels what still runs
  GenerationRun(const GenerationRun&) = delete;
  GenerationRun& operator=(const GenerationRun&) = delete;

  // Why nothing runs, or empty.
  std::optional<coordinator::Failure> start();

  struct News {
    std::deque<StreamEvent> events;  // empty after max_wait without any
    bool client_gone = false;
    std::optional<coordinator::Failure> failure;  // of the body as a whole; all is cancelled
  };
  News wait(Peer& peer, std::chrono::milliseconds max_wait);
  bool done() const { return num_ended_ == prompts_.size(); }

 private:
  std::optional<coordinator::Failure> submit_more();
  void cancel_all();

  coordinator::RequestDoor& door_;
  std::vector<coordinator::GenerationRequest> prompts_;
  std::vector<std::string> ids_;
  std::vector<bool> ended_;
  size_t num_submitted_ = 0, num_ended_ = 0;
  std::shared_ptr<EventQueue> queue_ = std::make_shared<EventQueue>();
};

}  // namespace shoal::http
