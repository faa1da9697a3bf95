#include <cstdio>

#include "launch/access_options.h"
#include "launch/commands/all_commands.h"
#include "launch/rank_table.h"
#include "runtime/base/printable.h"
#include "runtime/coordinator/client/generate_client.h"

namespace shoal::launch {
namespace {

class Status final : public Command {
 public:
  std::string name() const override { return "status"; }
  std::string summary() const override { return "Ranks, model, load and queue of a server"; }

  void declare(OptionSet& options) override {
    server_.address = "127.0.0.1:50051";
    server_.declare(options);
  }

  int run() override {
    client::GenerateClient client(server_.address, client_access(server_));
    const coordinator::ClusterStatus status = client.get_cluster();
    const client::ModelFacts model = client.get_model();
    if (output.json) {
      nlohmann::ordered_json json = to_json(status);
      json["model"] = {{"name", printable(model.name)},
                       {"architecture", printable(model.architecture)},
                       {"parameters", model.parameters},
                       {"bytes", model.total_bytes},
                       {"max_context", model.max_context}};
      fmt::print("{}\n", json.dump());
      return 0;
    }
    fmt::print("model    {} ({}), {:.1f} M parameters, {}, context {}\n",
               printable(model.name),
               printable(model.architecture),
               static_cast<double>(model.parameters) / 1e6,
               human_bytes(model.total_bytes),
               grouped(static_cast<uint64_t>(model.max_context)));
    fmt::print("cluster  {}, epoch {}, step {}\n",
               coordinator::phase_name(status.phase),
               status.epoch,
               grouped(status.last_step));
    fmt::print("load     {} running, {} waiting, {} of {} KV blocks\n",
               status.running,
               status.waiting,
               status.blocks_used,
               status.blocks_total);
    fmt::print("so far   {} prompt tokens, {} generated, {} requests done, {} failed\n",
               grouped(status.prompt_tokens),
               grouped(status.tokens_generated),
               grouped(status.requests_finished),
               grouped(status.requests_failed));
    const coordinator::CacheStatus& cache = status.cache;
    if (cache.on)
      fmt::print("cache    {} texts in {}, {} hits, {} tokens not run, {} evicted\n",
                 cache.texts,
                 human_bytes(cache.bytes),
                 grouped(cache.hits),
                 grouped(cache.hit_tokens),
                 grouped(cache.evictions));
    if (cache.pauses > 0)
      fmt::print("pauses   {} for want of blocks, {} tokens ran again\n",
                 grouped(cache.pauses),
                 grouped(cache.recomputed_tokens));
    fmt::print("\nheld\n{}\ndone\n{}", held_table(status), work_table(status));
    return 0;
  }

 private:
  ServerAddress server_;
};

}  // namespace

std::unique_ptr<Command> make_status() { return std::make_unique<Status>(); }

}  // namespace shoal::launch
