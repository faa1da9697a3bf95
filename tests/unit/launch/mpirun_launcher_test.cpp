// The launcher against a script in mpirun's place: what it passes, and that nothing outlives it.
#include "launch/mpirun_launcher.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "runtime/base/deadline.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class MpirunLauncherTest : public testing::Test {
 protected:
  void script(const std::string& name, const std::string& body) {
    std::ofstream(path(name)) << "#!/bin/sh\n" << body;
    chmod(path(name).c_str(), 0700);
  }
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  MpirunConfig config() const {
    return {path("mpirun"),
            path("worker"),
            {"unix:/tmp/door", "0123secret", "ca:cert:0key", false},
            {}};
  }
  std::string wait_for(const std::string& name) const {
    const Deadline deadline = Deadline::after(10s);
    while (read(path(name)).empty() && !deadline.passed()) std::this_thread::sleep_for(5ms);
    return read(path(name));
  }
  static Launcher::Ended wait_for_end(Launcher& launcher) {
    const Deadline deadline = Deadline::after(10s);
    while (!deadline.passed()) {
      if (const auto ended = launcher.poll()) return *ended;
      std::this_thread::sleep_for(5ms);
    }
    ADD_FAILURE() << "the job did not end";
    return {};
  }
  static bool lives(const std::string& pid) { return kill(std::stoi(pid), 0) == 0; }

  PrivateDirectory folder_{"/tmp"};
};

TEST_F(MpirunLauncherTest, SecretsAreInTheEnvironmentOnly) {
  script("mpirun",
         "echo \"$@\" > " + path("arguments") + "\nenv > " + path("env.tmp") + "\nmv " +
             path("env.tmp") + " " + path("environment") + "\n");
  script("worker", "true");
  MpirunLauncher launcher(config());
  launcher.start(7, 3);
  EXPECT_EQ(wait_for_end(launcher).how, "mpirun exited with code 0");
  const std::string arguments = read(path("arguments"));
  EXPECT_THAT(arguments, HasSubstr("-np 3 "));
  EXPECT_THAT(arguments, HasSubstr("--enable-recovery"));
  EXPECT_THAT(arguments, HasSubstr("-x SHOAL_JOB_TOKEN"));
  EXPECT_THAT(arguments, HasSubstr("-x SHOAL_JOB_CREDENTIALS"));
  EXPECT_THAT(arguments, Not(HasSubstr("0123secret")));
  EXPECT_THAT(arguments, Not(HasSubstr("0key")));
  const std::string environment = read(path("environment"));
  EXPECT_THAT(environment, HasSubstr("SHOAL_JOB_TOKEN=0123secret\n"));
  EXPECT_THAT(environment, HasSubstr("SHOAL_JOB_CREDENTIALS=ca:cert:0key\n"));
  EXPECT_THAT(environment, HasSubstr("SHOAL_COORDINATOR=unix:/tmp/door\n"));
  EXPECT_THAT(environment, HasSubstr("SHOAL_EPOCH=7\n"));
}

TEST_F(MpirunLauncherTest, HostsAreNamedInRankOrder) {
  script("mpirun",
         "echo \"$@\" > " + path("arguments") +
             "\nwhile [ \"$1\" != --hostfile ]; do shift; done\ncp \"$2\" " + path("hosts") +
             "\nenv > " + path("environment") + "\n");
  script("worker", "true");
  MpirunConfig spread = config();
  spread.hosts = {{"a", "b", "b"}, "", "my-agent", "10.0.0.0/8"};
  MpirunLauncher launcher(spread);
  launcher.start(1, 3);
  EXPECT_EQ(wait_for_end(launcher).how, "mpirun exited with code 0");
  EXPECT_EQ(read(path("hosts")), "a\nb\nb\n");
  const std::string arguments = read(path("arguments"));
  for (const char* words : {"--map-by seq",
                            "--bind-to none",
                            "--mca plm_rsh_agent my-agent",
                            "--mca btl_tcp_if_include 10.0.0.0/8",
                            "--mca oob_tcp_if_include 10.0.0.0/8"})
    EXPECT_THAT(arguments, HasSubstr(words));
  // Folders of this machine are not made on others.
  EXPECT_THAT(read(path("environment")), Not(HasSubstr("vader_backing_directory")));
}

TEST_F(MpirunLauncherTest, StopLeavesNoWorkerEvenIfItIgnoresSigterm) {
  script("mpirun", "trap '' TERM\nfor w; do :; done\nsetsid \"$w\" &\nwait\n");
  script("worker", "trap '' TERM\necho $$ > " + path("worker.pid") + "\nsleep 1000 & wait\n");
  MpirunLauncher launcher(config());
  launcher.start(1, 1);
  const std::string pid = wait_for("worker.pid");
  ASSERT_TRUE(lives(pid));
  launcher.stop(0ms);
  EXPECT_FALSE(lives(pid));
}

TEST_F(MpirunLauncherTest, AKilledMpirunLeavesNoWorker) {
  script("mpirun",
         "echo $$ > " + path("mpirun.pid") + "\nfor w; do :; done\nsetsid \"$w\" &\nwait\n");
  script("worker", "echo $$ > " + path("worker.pid") + "\nsleep 1000 & wait\n");
  MpirunLauncher launcher(config());
  launcher.start(2, 1);
  const std::string worker = wait_for("worker.pid");
  kill(std::stoi(wait_for("mpirun.pid")), SIGKILL);
  const Launcher::Ended ended = wait_for_end(launcher);
  EXPECT_EQ(ended.epoch, 2u);
  EXPECT_EQ(ended.how, "mpirun was killed by signal 9 (Killed)");
  EXPECT_FALSE(lives(worker));
}

TEST_F(MpirunLauncherTest, ARankThatDiesWhileMpirunGoesOnEndsTheJob) {
  script("mpirun",
         "for w; do :; done\nOMPI_COMM_WORLD_RANK=0 sleep 1000 &\n"
         "OMPI_COMM_WORLD_RANK=1 \"$w\" &\nwait\nsleep 1000\n");
  script("worker", "echo $$ > " + path("worker.pid") + "\nexec sleep 1000\n");
  MpirunLauncher launcher(config());
  launcher.start(3, 2);
  const pid_t worker = std::stoi(wait_for("worker.pid"));
  // Both ranks must have been seen; a job that is well ends by nothing.
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(launcher.poll().has_value());
    std::this_thread::sleep_for(5ms);
  }
  kill(worker, SIGKILL);
  const Launcher::Ended ended = wait_for_end(launcher);
  EXPECT_EQ(ended.epoch, 3u);
  EXPECT_EQ(ended.how, "rank 1 died");
}

TEST_F(MpirunLauncherTest, TheReasonOfAFailureIsTheWorkersErrorLine) {
  script("mpirun",
         "echo ----\necho 'error: shard 2 is missing' >&2\necho mpirun noticed\nexit 3\n");
  script("worker", "true");
  MpirunLauncher launcher(config());
  launcher.start(1, 2);
  EXPECT_EQ(wait_for_end(launcher).how, "mpirun exited with code 3: shard 2 is missing");
  EXPECT_FALSE(launcher.poll().has_value());
}

TEST_F(MpirunLauncherTest, AMissingMpirunIsAStartupError) {
  script("worker", "true");
  MpirunConfig missing = config();
  missing.mpirun = "no-such-mpirun";
  MpirunLauncher launcher(missing);
  try {
    launcher.start(1, 1);
    FAIL() << "started without mpirun";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStartup);
    EXPECT_THAT(error.what(), HasSubstr("no-such-mpirun was not found"));
  }
}

TEST_F(MpirunLauncherTest, NoFolderIsLeftBehind) {
  script("mpirun", "env | grep OMPI_MCA_ > " + path("folders") + "\n");
  script("worker", "true");
  MpirunLauncher launcher(config());
  launcher.start(1, 1);
  wait_for_end(launcher);
  std::istringstream lines(read(path("folders")));
  int checked = 0;
  for (std::string line; std::getline(lines, line); ++checked)
    EXPECT_FALSE(std::filesystem::exists(line.substr(line.find('=') + 1))) << line;
  EXPECT_EQ(checked, 2);
}

}  // namespace
}  // namespace shoal::launch
