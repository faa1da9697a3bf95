// Constrained texts on real ranks: they keep to their grammar, and they are the same on any grid,
// in any company and after any pause.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "loader/io/model_files.h"
#include "runtime/text/grammar/json_schema.h"
#include "runtime/text/tokenizer.h"
#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";
constexpr const char* kSchema = R"({"type":"object","properties":{
    "name":{"type":"string","maxLength":12},"count":{"type":"integer","minimum":0,"maximum":500},
    "tags":{"type":"array","items":{"enum":["red","green"]},"maxItems":3}},
    "required":["name","count","tags"]})";

const text::Tokenizer& tokenizer() {
  static const text::Tokenizer kTokenizer(loader::parse_vocab(loader::open_model(kModel).metadata));
  return kTokenizer;
}

std::vector<TestRequest> requests() {
  const std::string gbnf = std::get<std::string>(grammar::gbnf_from_json_schema(kSchema));
  std::vector<TestRequest> out;
  for (int i = 0; i < 4; ++i) {
    TestRequest request{.prompt = {}, .max_tokens = 90};
    for (int t = 0; t < 9 + 11 * i; ++t) request.prompt.push_back((t * 31 + i * 977) % 8192);
    if (i > 0) request.sampling = {.temperature = 1.0f, .seed = 40u + i};
    request.sampling.constraint.gbnf = gbnf;
    out.push_back(request);
  }
  out[3].sampling.constraint.gbnf = "root ::= [a-c]+";  // ends only by chance
  return out;
}

// Without what comes from the first end token on.
std::string text_of(const std::vector<int32_t>& tokens) {
  std::vector<int32_t> kept;
  for (const int32_t token : tokens) {
    if (tokenizer().is_end(token)) break;
    kept.push_back(token);
  }
  return tokenizer().decode(kept);
}

TEST(OutputConstraint, TextsKeepToTheirGrammarAndTheGridDoesNotMatter) {
  std::vector<TestRequest> all = requests();
  std::vector<std::vector<int32_t>> want;
  {
    LoopbackCluster cluster(kModel, {});
    for (const TestRequest& request : all) want.push_back(cluster.run({request})[0].tokens);
  }
  // A toy model may fill its last tokens with the space that JSON allows; what ends must be whole.
  int num_whole = 0;
  for (size_t i = 0; i < 3; ++i) {
    const std::string text = text_of(want[i]);
    if (std::ranges::none_of(want[i], [](int32_t id) { return tokenizer().is_end(id); })) {
      EXPECT_EQ(want[i].size(), 90u) << text;
      continue;
    }
    ++num_whole;
    const auto value = nlohmann::json::parse(text, nullptr, false);
    ASSERT_FALSE(value.is_discarded()) << text;
    EXPECT_LE(value.at("count").get<int>(), 500) << text;
    EXPECT_TRUE(value.at("name").is_string() && value.at("tags").is_array()) << text;
  }
  EXPECT_GE(num_whole, 1);
  EXPECT_EQ(text_of(want[3]).find_first_not_of("abc"), std::string::npos);

  // A free text runs beside them; 6 blocks of 32 positions make somebody pause.
  TestRequest free_text{.prompt = {5, 6, 7, 8}, .max_tokens = 90};
  all.push_back(free_text);
  for (const ClusterShape& shape : std::vector<ClusterShape>{{.ep_per_stage = {1}, .num_blocks = 9},
                                                             {.ep_per_stage = {2, 1}},
                                                             {.ep_per_stage = {1, 3}}}) {
    LoopbackCluster cluster(kModel, shape);
    const auto outputs = cluster.run(all);
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(outputs[i].tokens, want[i]) << i;
    if (shape.num_blocks == 9) {
      EXPECT_GT(cluster.scheduler().num_pauses(), 0u);
    }
  }
}

TEST(OutputConstraint, StartsAfterItsToken) {
  TestRequest request{.prompt = {5, 6, 7, 8}, .max_tokens = 24};
  LoopbackCluster cluster(kModel, {});
  const std::vector<int32_t> free_tokens = cluster.run({request})[0].tokens;
  // Whatever the free text holds at its sixth place is what the constraint waits for.
  const int32_t trigger = free_tokens[5];
  const auto first = std::ranges::find(free_tokens, trigger) - free_tokens.begin();
  request.sampling.constraint = {"root ::= \"abc\" | \"b\"", trigger};
  const std::vector<int32_t> tokens = cluster.run({request})[0].tokens;
  for (std::ptrdiff_t i = 0; i <= first; ++i)
    EXPECT_EQ(tokens[static_cast<size_t>(i)], free_tokens[static_cast<size_t>(i)]);
  std::string after = text_of({tokens.begin() + first + 1, tokens.end()});
  after.erase(0, after.find_first_not_of('\n'));
  EXPECT_TRUE(after == "abc" || after == "b") << after;
}

}  // namespace
}  // namespace shoal::engine
