#include "launch/options.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A command with the cluster and sampling groups, parsed from a line.
struct Parsed {
  explicit Parsed(const std::string& line) {
    cluster.declare(options);
    sampling.declare(options);
    app.parse(line);
    options.read_environment();
  }
  CLI::App app{"test"};
  OptionSet options{app};
  ClusterOptions cluster;
  SamplingOptions sampling;
};

struct Variable {
  Variable(const char* name, const char* value) : name(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name); }
  const char* name;
};

template <class Call>
std::string complaint(Call call, ExitCode code) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "";
}

TEST(Options, RanksIsOneStageAndPpTimesEpAreSeveral) {
  Parsed ranks("--ranks 3");
  ranks.cluster.resolve(ranks.options);
  EXPECT_THAT(ranks.cluster.ep_per_stage, ElementsAre(3));
  Parsed grid("--pp 3 --ep 2");
  grid.cluster.resolve(grid.options);
  EXPECT_THAT(grid.cluster.spec().ep_per_stage, ElementsAre(2, 2, 2));
  Parsed none("");
  none.cluster.resolve(none.options);
  EXPECT_THAT(none.cluster.ep_per_stage, ElementsAre(1));
}

TEST(Options, ContradictionsAreUsageErrors) {
  for (const char* line : {"--ranks 2 --pp 2",
                           "--ranks 2 --ep 2",
                           "--ranks 2 --cluster x.yaml",
                           "--pp 2 --cluster x.yaml",
                           "--ranks 0",
                           "--backend cuda",
                           "--backend gpu",
                           "--launcher slurm",
                           "--launcher ssh",
                           "-c -5"}) {
    Parsed parsed(line);
    EXPECT_NE(complaint([&] { parsed.cluster.resolve(parsed.options); }, ExitCode::kUsage), "")
        << line;
  }
}

TEST(Options, AContradictionBetweenFlagAndEnvironmentIsOneToo) {
  const Variable variable("SHOAL_PP", "2");
  Parsed parsed("--ranks 2");
  EXPECT_THAT(complaint([&] { parsed.cluster.resolve(parsed.options); }, ExitCode::kUsage),
              HasSubstr("contradict"));
}

TEST(Options, AFlagBeatsItsEnvironmentTwin) {
  const Variable context("SHOAL_CTX_SIZE", "256");
  const Variable threads("SHOAL_THREADS", "2");
  Parsed parsed("-c 128");
  EXPECT_EQ(parsed.cluster.context, 128);
  EXPECT_EQ(parsed.cluster.threads, 2);
  const auto config = nlohmann::json::parse(parsed.options.print(true));
  EXPECT_EQ(config["ctx-size"]["origin"], "flag");
  EXPECT_EQ(config["threads"]["origin"], "environment");
  EXPECT_EQ(config["threads"]["value"], "2");
  EXPECT_EQ(config["ranks"]["origin"], "default");
}

TEST(Options, ABadEnvironmentValueIsNamed) {
  const Variable threads("SHOAL_THREADS", "many");
  EXPECT_THAT(complaint([] { Parsed parsed(""); }, ExitCode::kUsage), HasSubstr("SHOAL_THREADS"));
}

TEST(Options, ABadSamplingValueIsARefusedRequest) {
  for (const char* line : {"--temp -1",
                           "--temp nan",
                           "--top-p 0",
                           "--top-p 1.5",
                           "--min-p 2",
                           "--top-k -1",
                           "--presence-penalty 2.5",
                           "--frequency-penalty -2.5",
                           "--repeat-penalty 0",
                           "--repeat-penalty nan",
                           "--min-tokens -1",
                           "--logit-bias 5",
                           "--logit-bias 5*2",
                           "--logit-bias x+2",
                           "--logit-bias 5+inf",
                           "--logit-bias 5+",
                           "-n -1"}) {
    Parsed parsed(line);
    EXPECT_NE(complaint([&] { parsed.sampling.validate(); }, ExitCode::kRequest), "") << line;
  }
}

TEST(Options, BiasesAreAnIdAndASignedNumber) {
  Parsed parsed("--logit-bias 15043+1.5 -l 7-100 --logit-bias 0+0");
  parsed.sampling.validate();
  EXPECT_THAT(
      parsed.sampling.logit_bias(),
      ElementsAre(plan::LogitBias{15043, 1.5f}, plan::LogitBias{7, -100.0f}, plan::LogitBias{}));
}

TEST(Options, StopStringsKeepTheirCommas) {
  Parsed parsed("--stop a,b --stop c");
  EXPECT_THAT(parsed.sampling.stop, ElementsAre("a,b", "c"));
}

}  // namespace
}  // namespace shoal::launch
