#include <cstdio>
#include <sstream>

#include "launch/engine/engine_commands.h"
#include "launch/engine/engine_run.h"
#include "launch/text_file.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"
#include "runtime/plan/plan_text.h"

namespace shoal::launch {
namespace {

std::vector<plan::StepPlan> read_script(const std::string& path) {
  std::istringstream lines(read_text_file(path, "plan script"));
  std::vector<plan::StepPlan> script;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    std::string error;
    auto step = plan::parse_plan(line, error);
    if (!step)
      throw Error(ExitCode::kUsage,
                  fmt::format("{}:{}: {}", printable(path, 200), number, printable(error, 200)));
    step->epoch = 1;
    script.push_back(std::move(*step));
  }
  return script;
}

class Replay final : public Command {
 public:
  explicit Replay(transport::HostComm& comm) : comm_(comm) {}
  std::string name() const override { return "replay"; }
  std::string summary() const override { return "Run step plans from a file, one a line"; }

  void declare(OptionSet& options) override {
    shape_.context = 1024;
    options.group("Replay");
    options.add("-f,--file", script_path_, "The plans, in the form that logs show; - is stdin");
    model_.declare(options);
    shape_.declare(options);
  }

  void resolve(OptionSet& options) override {
    model_.validate();
    shape_.resolve(options);
    if (script_path_.empty()) throw Error(ExitCode::kUsage, "no plans: -f FILE is needed");
  }

  int run() override {
    const EngineModel model = open_engine_model(model_, shape_, comm_);
    run_script(model,
               comm_,
               shape_.threads,
               read_script(script_path_),
               [](const plan::StepResult& result) {
                 for (const plan::TokenScore& score : result.tokens)
                   fmt::print("step {} rank {} sequence {} position {} token {} logprob {:.6f}\n",
                              result.step_id,
                              result.rank,
                              score.id,
                              score.position,
                              score.token,
                              score.logprob);
               });
    return 0;
  }

 private:
  transport::HostComm& comm_;
  ModelOptions model_;
  ClusterOptions shape_;
  std::string script_path_;
};

}  // namespace

std::unique_ptr<Command> make_engine_replay(transport::HostComm& comm) {
  return std::make_unique<Replay>(comm);
}

}  // namespace shoal::launch
