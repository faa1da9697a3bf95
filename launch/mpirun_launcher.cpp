#include "launch/mpirun_launcher.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "launch/rank_processes.h"
#include "runtime/base/check.h"
#include "runtime/base/deadline.h"
#include "runtime/base/env.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

constexpr std::chrono::milliseconds kKillTime{2'000};

}  // namespace

// Declared so that on destruction the child goes first, then its output's reader (the pipe is
// closed by then), then the folders it used.
struct MpirunLauncher::Job {
  Job(plan::Epoch job_epoch, int world_size) : epoch(job_epoch), ranks(world_size) {}

  plan::Epoch epoch;
  RankProcesses ranks;
  PrivateDirectory sessions{PrivateDirectory::base_for_sockets()};
  PrivateDirectory shared_memory{PrivateDirectory::base_for_shared_memory()};
  std::unique_ptr<WorkerOutput> output;
  std::unique_ptr<ChildProcess> child;
};

MpirunLauncher::MpirunLauncher(MpirunConfig config) : config_(std::move(config)) {}

MpirunLauncher::~MpirunLauncher() { stop(std::chrono::milliseconds(0)); }

std::vector<std::string> MpirunLauncher::arguments(const std::string& mpirun_path,
                                                   int world_size,
                                                   const std::string& hosts) const {
  std::vector<std::string> words = {mpirun_path, "-np", std::to_string(world_size)};
  const auto add_parameter = [&words](const char* name, const std::string& value) {
    words.insert(words.end(), {"--mca", name, value});
  };
  if (geteuid() == 0) words.emplace_back("--allow-run-as-root");
  // More ranks than cores is allowed; ranks bind their own threads. vader's single copy needs
  // ptrace rights that containers withhold.
  for (const char* word : {"--oversubscribe",
                           "--bind-to",
                           "none",
                           "--enable-recovery",
                           "--mca",
                           "btl",
                           "self,vader,tcp",
                           "--mca",
                           "btl_vader_single_copy_mechanism",
                           "none"})
    words.emplace_back(word);
  if (!hosts.empty()) {
    words.insert(words.end(), {"--hostfile", hosts, "--map-by", "seq"});
    // Hosts need not reach each other by ssh, only this one them.
    add_parameter("plm_rsh_no_tree_spawn", "1");
    if (!config_.hosts.launch_agent.empty())
      add_parameter("plm_rsh_agent", config_.hosts.launch_agent);
    if (!config_.hosts.interface.empty()) {
      add_parameter("btl_tcp_if_include", config_.hosts.interface);
      add_parameter("oob_tcp_if_include", config_.hosts.interface);
    }
  }
  // The folders come from the environment (see start), as does every value of -x.
  for (const char* name : {"SHOAL_COORDINATOR",
                           "SHOAL_JOB_TOKEN",
                           "SHOAL_JOB_CREDENTIALS",
                           "SHOAL_EPOCH",
                           "SHOAL_VERBOSE"}) {
    words.emplace_back("-x");
    words.emplace_back(name);
  }
  if (!hosts.empty()) {
    // Here workers inherit these; elsewhere they have to be told.
    for (const char* prefix : {"NCCL_", "UCX_", "SHOAL_STEP_", "SHOAL_FORCE_"})
      for (const std::string& name : env_names(prefix)) words.insert(words.end(), {"-x", name});
  }
  words.push_back(config_.worker);
  return words;
}

void MpirunLauncher::write_hosts(const std::string& path, int world_size) const {
  const auto& hosts = config_.hosts.rank_hosts;
  SHOAL_ASSERT(static_cast<int>(hosts.size()) == world_size, "{} != {}", hosts.size(), world_size);
  std::ofstream file(path);
  for (const std::string& host : hosts) file << host << '\n';
  file.close();
  if (!file) throw Error(ExitCode::kStartup, fmt::format("cannot write {}", path));
}

void MpirunLauncher::start(plan::Epoch epoch, int world_size) {
  stop(std::chrono::milliseconds(0));
  const std::string mpirun = find_program(config_.mpirun);
  if (mpirun.empty())
    throw Error(ExitCode::kStartup,
                fmt::format("{} was not found: install openmpi-bin, or use --launcher external",
                            config_.mpirun));
  if (find_program(config_.worker).empty())
    throw Error(ExitCode::kStartup,
                fmt::format("{} was not found or cannot be run; it is built "
                            "where Open MPI and gRPC are",
                            config_.worker));
  auto job = std::make_unique<Job>(epoch, world_size);
  ChildProcess::Command command;
  const bool spread = !config_.hosts.rank_hosts.empty();
  const std::string hosts = spread ? job->sessions.path() + "/hosts" : "";
  if (spread) write_hosts(hosts, world_size);
  command.arguments = arguments(mpirun, world_size, hosts);
  command.environment = {
      "SHOAL_COORDINATOR=" + config_.contact.coordinator,
      "SHOAL_JOB_TOKEN=" + config_.contact.job_token,
      "SHOAL_JOB_CREDENTIALS=" + config_.contact.credentials,
      fmt::format("SHOAL_EPOCH={}", epoch),
      fmt::format("SHOAL_VERBOSE={}", config_.contact.verbose ? 1 : 0),
  };
  // These folders are not there on other hosts, where Open MPI's own defaults stand.
  if (spread)
    command.environment.push_back("TMPDIR=" + job->sessions.path());
  else
    command.environment.insert(
        command.environment.end(),
        {"OMPI_MCA_orte_tmpdir_base=" + job->sessions.path(),
         "OMPI_MCA_btl_vader_backing_directory=" + job->shared_memory.path()});
  adopt_orphans();
  job->child = std::make_unique<ChildProcess>(command);
  job->output = std::make_unique<WorkerOutput>(job->child->take_output(), config_.contact.verbose);
  job_ = std::move(job);
}

std::string MpirunLauncher::lost_rank_line(int rank) const {
  const std::string reason = job_->output->reason();
  return fmt::format("rank {} died{}", rank, reason.empty() ? "" : ": " + reason);
}

std::optional<Launcher::Ended> MpirunLauncher::poll() {
  if (job_ == nullptr) return std::nullopt;
  const auto status = job_->child->poll();
  if (!status) {
    // mpirun goes on without a rank, and its peers may wait for it inside MPI_Init.
    // Processes on other hosts are not seen from here: their links tell, or the start-up time.
    if (!config_.hosts.rank_hosts.empty()) return std::nullopt;
    const auto lost = job_->ranks.look(job_->child->pid());
    if (!lost) return std::nullopt;
    Ended ended{job_->epoch, lost_rank_line(*lost)};
    kill();
    return ended;
  }
  Ended ended{job_->epoch, "mpirun " + describe_status(*status)};
  kill_orphans();  // closes the pipe, so that the output is complete
  const std::string reason = job_->output->finish();
  if (*status != 0 && !reason.empty()) ended.how += ": " + reason;
  clear();
  return ended;
}

bool MpirunLauncher::wait_for_end(std::chrono::milliseconds timeout) {
  const Deadline deadline = Deadline::after(timeout);
  while (!job_->child->poll()) {
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

void MpirunLauncher::kill() {
  if (job_ == nullptr) return;
  job_->child->signal_group(SIGKILL);
  wait_for_end(kKillTime);
  clear();
}

void MpirunLauncher::stop(std::chrono::milliseconds leave_time) {
  if (job_ == nullptr) return;
  constexpr std::chrono::milliseconds kTermTime{700};
  if (!wait_for_end(leave_time)) {
    job_->child->signal_group(SIGTERM);
    if (!wait_for_end(kTermTime)) {
      job_->child->signal_group(SIGKILL);
      wait_for_end(kKillTime);
    }
  }
  clear();
}

void MpirunLauncher::clear() {
  kill_orphans();
  job_.reset();
}

}  // namespace shoal::launch
