#include <unistd.h>

#include <cstdio>
#include <memory>

#include "launch/access_options.h"
#include "launch/cluster.h"
#include "launch/commands/all_commands.h"
#include "launch/exit_guard.h"
#include "launch/model_values.h"
#include "launch/open_served_model.h"
#include "launch/program.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/coordinator/admin_door.h"
#include "runtime/coordinator/http/http_door.h"

namespace shoal::launch {
namespace {

using namespace std::chrono_literals;

void check_port(const char* flag, int port, int min) {
  if (port < min || port > 65535)
    throw Error(ExitCode::kUsage,
                fmt::format("{} is {}: it must lie in {}..65535", flag, port, min));
}

class Serve final : public Command {
 public:
  std::string name() const override { return "serve"; }
  std::string summary() const override { return "Load a model on ranks and answer requests"; }

  void declare(OptionSet& options) override {
    model_.declare(options);
    shape_.cache_mib = -1;
    shape_.declare(options);
    options.group("Server");
    options.add("--grpc-port", grpc_port_, "Port of the gRPC door; 0: any free one");
    options.add(
        "--http-port,--port", http_port_, "Port of the HTTP door; 0: any free one, -1: none");
    options.add(
        "--max-connections", max_connections_, "HTTP connections at once; each holds a thread");
    options.add("--metrics-compat", metrics_compat_, "vllm: its metric names beside shoal's");
    options.add("--admin-port", admin_port_, "Port of AdminService; 0: any free one, -1: none");
    options.add("--admin-key-file", admin_key_file_, "Keys that may call it; mode 0600");
    options.add(
        "--max-queue", max_queue_, "Requests of each key that may wait behind the running ones");
    options.add("--drain-seconds", drain_seconds_, "Time for running requests after SIGTERM");
    options.add("--startup-seconds", startup_seconds_, "Time for the ranks to get ready");
    options.add("--max-restarts", max_restarts_, "Of the ranks within a minute, before giving up");
    options.add("--journal", journal_path_, "File that keeps every token before it is sent");
    options.add_switch("--journal-fsync", journal_fsync_, "Flush the journal to disk at each step");
    options.add_switch("--no-reflection", no_reflection_, "Do not describe the gRPC services");
    access_.declare(options);
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    shape_.resolve(options);
    check_port("--grpc-port", grpc_port_, 0);
    check_port("--http-port", http_port_, -1);
    check_port("--admin-port", admin_port_, -1);
    access_.validate();
    if (admin_port_ >= 0 && admin_key_file_.empty() &&
        (!access_.is_loopback() || !access_.api_key_file.empty()))
      throw Error(ExitCode::kUsage,
                  "--admin-port needs --admin-key-file beyond loopback, and where users have keys");
    if (max_connections_ < 1 || max_connections_ > 65536)
      throw Error(
          ExitCode::kUsage,
          fmt::format("--max-connections is {}: it must lie in 1..65536", max_connections_));
    if (!metrics_compat_.empty() && metrics_compat_ != "vllm")
      throw Error(
          ExitCode::kUsage,
          fmt::format("--metrics-compat is '{}': it must be vllm", printable(metrics_compat_)));
    if (max_queue_ < 0 || drain_seconds_ < 0 || max_restarts_ < 0 || startup_seconds_ < 1)
      throw Error(ExitCode::kUsage,
                  "--max-queue, --drain-seconds and --max-restarts must be 0 or more, "
                  "--startup-seconds 1 or more");
  }

  void resolve_from_model(OptionSet& options) override {
    take_context(options, *open_served_model(model_.local_path(), model_.alias), shape_);
  }

  int run() override {
    // Until it serves, whatever goes wrong ends it and is said in the one error line.
    if (!output.verbose) log::set_level(log::Level::kError);
    SignalWatch signals;
    keys_ = access_.read_keys();
    ClusterConfig config;
    config.model = open_served_model(model_.local_path(), model_.alias);
    config.shape = shape_;
    config.verbose = output.verbose;
    config.grpc_address = at(grpc_port_);
    config.access = {.tls = access_.tls(), .keys = keys_};
    config.reflection = !no_reflection_;
    config.max_queue = max_queue_;
    config.journal_path = journal_path_;
    config.journal_fsync = journal_fsync_;
    config.startup_timeout = std::chrono::seconds(startup_seconds_);
    config.max_restarts = max_restarts_;
    Cluster cluster(config);
    const DoorCloser closer{*this};
    if (http_port_ >= 0)
      http_ = std::make_unique<http::HttpDoor>(
          http_options(), cluster.requests(), cluster.requests().metrics());
    if (admin_port_ >= 0)
      admin_ = std::make_unique<coordinator::AdminDoor>(
          at(admin_port_), admin_access(), cluster.requests());
    log::info("{}", sharding::to_table(cluster.coordinator().config().plan));
    const Outcome outcome = cluster.supervise(
        signals,
        [&] {
          announce_once(cluster);
          return false;
        },
        std::chrono::seconds(drain_seconds_));
    return leave(cluster, outcome);
  }

 private:
  // The doors lean on the cluster: they go first, whatever ends it.
  struct DoorCloser {
    Serve& serve;
    ~DoorCloser() {
      serve.admin_.reset();
      serve.http_.reset();
    }
  };

  std::string at(int port) const {
    const std::string host = access_.host == "localhost" ? "127.0.0.1" : access_.host;
    return host.find(':') == host.npos ? fmt::format("{}:{}", host, port)
                                       : fmt::format("[{}]:{}", host, port);
  }

  coordinator::GrpcAccess admin_access() const {
    coordinator::GrpcAccess access{.tls = access_.tls(), .not_enough = keys_};
    if (!admin_key_file_.empty())
      access.keys = std::make_shared<const access::ApiKeys>(access::ApiKeys::read(admin_key_file_));
    return access;
  }

  http::HttpDoorOptions http_options() const {
    http::HttpDoorOptions options;
    options.host = access_.host == "localhost" ? "127.0.0.1" : access_.host;
    options.port = http_port_;
    options.tls = access_.tls();
    options.keys = keys_;
    options.max_connections = max_connections_;
    options.vllm_metrics = metrics_compat_ == "vllm";
    options.build = build_id();
    return options;
  }

  void announce_once(Cluster& cluster) {
    if (announced_) return;
    const coordinator::ClusterStatus status = cluster.coordinator().status();
    if (status.phase != coordinator::Phase::kServing) return;
    announced_ = true;
    if (!output.verbose) log::set_level(log::Level::kWarn);
    if (const std::string risk = access_.risk(); !risk.empty()) log::warn("--insecure: {}", risk);
    std::string line = fmt::format("shoal: ready: {} on {} rank{}, gRPC {}",
                                   printable(cluster.coordinator().model().name),
                                   status.ranks.size(),
                                   status.ranks.size() == 1 ? "" : "s",
                                   cluster.grpc_address());
    if (http_)
      line += fmt::format(", HTTP {}://{}", access_.tls() ? "https" : "http", at(http_->port()));
    if (admin_) line += ", admin " + admin_->address();
    // Whoever started us may have stopped reading; that ends nothing.
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
  }

  int leave(Cluster& cluster, const Outcome& outcome) {
    if (outcome.forced) {
      cluster.remove_folder();
      _exit(static_cast<int>(ExitCode::kUnexpected));
    }
    leave_within(5s, outcome.exit_code, [&] { cluster.remove_folder(); });
    admin_.reset();
    if (http_) http_->stop();
    if (outcome.exit_code != 0)
      throw Error(static_cast<ExitCode>(outcome.exit_code), outcome.message);
    return 0;
  }

  ModelOptions model_;
  ClusterOptions shape_;
  AccessOptions access_;
  std::shared_ptr<const access::ApiKeys> keys_;
  std::string journal_path_, metrics_compat_, admin_key_file_;
  int grpc_port_ = 50051, http_port_ = 8080, admin_port_ = -1;
  int max_connections_ = 512;
  int max_queue_ = 64, drain_seconds_ = 10, startup_seconds_ = 60, max_restarts_ = 5;
  bool journal_fsync_ = false, no_reflection_ = false;
  bool announced_ = false;
  std::unique_ptr<http::HttpDoor> http_;
  std::unique_ptr<coordinator::AdminDoor> admin_;
};

}  // namespace

std::unique_ptr<Command> make_serve() { return std::make_unique<Serve>(); }

}  // namespace shoal::launch
