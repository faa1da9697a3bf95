// Every environment variable that shoal reads, read here and nowhere else. Flags have a twin
// SHOAL_<FLAG> each; those go through env_flag() from launch/, the rest are listed below.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

// What a launcher passes to a worker. Token and credentials are secrets: they travel here and never
// in argv.
struct WorkerEnv {
  std::string coordinator;  // SHOAL_COORDINATOR: address of the control door
  std::string job_token;    // SHOAL_JOB_TOKEN
  std::string credentials;  // SHOAL_JOB_CREDENTIALS: of the control link, as one line
  uint32_t epoch = 0;       // SHOAL_EPOCH
};
WorkerEnv read_worker_env();

// SHOAL_FORCE_ISA=reference|avx2|avx512: narrows the instruction set chosen at run time (tests).
std::optional<std::string> forced_isa();

// SHOAL_STEP_TIMEOUT_MS: how long a step may wait for a peer (default 30,000).
long step_timeout_ms();

// The value of SHOAL_<FLAG>: "ctx-size" -> SHOAL_CTX_SIZE.
std::optional<std::string> env_flag(std::string_view flag);

// What mpirun or srun says of this process among those of its job on this host; a process that
// nobody started so is the only one.
struct HostPlace {
  int local_rank = 0;
  int ranks_on_host = 1;
};
HostPlace host_place(int world_size);

// Names of variables that begin so.
std::vector<std::string> env_names(std::string_view prefix);

// One variable of the outer world (PATH, SLURM_*, OMPI_*, NO_COLOR, HOME ...).
std::optional<std::string> env_value(const char* name);

}  // namespace shoal
