// Text work on the host: tokenizing what punishes a tokenizer against prose, and the masks of
// grammars. Run by hand: text_bench [VOCABULARY.gguf]; without one the demo model's is used.
// Time per byte of the first group is in ns_per_byte; docs/measurements/text.md keeps the figures.
#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>
#include <string>

#include "runtime/text/grammar/grammar.h"
#include "runtime/text/grammar/json_schema.h"
#include "runtime/text/grammar/token_masks.h"
#include "runtime/text/tokenizer.h"
#include "tests/unit/text/gguf_vocab.h"

namespace {

using namespace shoal;

std::string vocab_path =
    SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";  // argv[1] replaces it

const loader::Vocab& vocab() {
  static const loader::Vocab kVocab = text::read_gguf_vocab(vocab_path);
  return kVocab;
}

std::string prose() {
  std::ifstream file(SHOAL_TEST_DATA "/eval_text.txt", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void encode(benchmark::State& state, const std::string& unit) {
  static const text::Tokenizer kTokenizer(vocab());
  std::string text;
  while (text.size() < 1 << 20) text += unit;
  for (auto _ : state)
    benchmark::DoNotOptimize(kTokenizer.encode(text, text::SpecialTokens::kRecognize));
  state.counters["ns_per_byte"] = benchmark::Counter(
      static_cast<double>(text.size()) * 1e-9,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

constexpr const char* kSchema = R"({"type":"object","properties":{
    "name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
    "tags":{"type":"array","items":{"type":"string","maxLength":20}},
    "kind":{"enum":["alpha","beta","gamma"]}},"required":["name","age","tags","kind"]})";
constexpr const char* kText =
    "{\"name\": \"A longer name with \\\"quotes\\\" and more words in it\", \"age\": 42, "
    "\"tags\": [\"red\", \"some green\", \"blue and so on\"], \"kind\": \"beta\"}";

struct Masking {
  std::shared_ptr<const grammar::Automaton> automaton;
  std::vector<int32_t> tokens;
};

const grammar::TokenTrie& trie() {
  static const grammar::TokenTrie kTrie(vocab());
  return kTrie;
}

Masking masking() {
  const auto gbnf = std::get<std::string>(grammar::gbnf_from_json_schema(kSchema));
  return {
      std::get<0>(grammar::compile(gbnf, grammar::Lead::kNone, grammar::CpuBudget::unlimited())),
      text::Tokenizer(vocab()).encode(kText, text::SpecialTokens::kPlainText)};
}

// A request whose grammar nobody sent before: each mask is made anew.
void mask_first_time(benchmark::State& state) {
  const Masking one = masking();
  trie();
  for (auto _ : state) {
    grammar::TokenMasks masks(one.automaton, trie());
    grammar::Cursor cursor = masks.begin();
    for (const int32_t token : one.tokens) {
      benchmark::DoNotOptimize(masks.mask(cursor).data());
      masks.take(cursor, token);
    }
  }
  state.counters["us_per_token"] = benchmark::Counter(
      static_cast<double>(one.tokens.size()) * 1e-6,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void mask_again(benchmark::State& state) {
  const Masking one = masking();
  grammar::TokenMasks masks(one.automaton, trie());
  for (auto _ : state) {
    grammar::Cursor cursor = masks.begin();
    for (const int32_t token : one.tokens) {
      benchmark::DoNotOptimize(masks.mask(cursor).data());
      masks.take(cursor, token);
    }
  }
  state.counters["us_per_token"] = benchmark::Counter(
      static_cast<double>(one.tokens.size()) * 1e-6,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void compile_schema(benchmark::State& state) {
  for (auto _ : state) {
    const auto gbnf = std::get<std::string>(grammar::gbnf_from_json_schema(kSchema));
    benchmark::DoNotOptimize(
        grammar::compile(gbnf, grammar::Lead::kNone, grammar::CpuBudget::unlimited()));
  }
}

void build_trie(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(grammar::TokenTrie(vocab()).nodes().data());
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc > 1) vocab_path = argv[1];
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes.push_back(static_cast<char>(i));
  const std::pair<const char*, std::string> texts[] = {
      {"prose", prose()},
      {"one_letter", "a"},
      {"spaces", " "},
      {"line_ends", "\n"},
      {"two_letters", "ab"},
      {"digits", "1"},
      {"almost_special", "<|im_end"},
      {"combining_marks", "\u0301"},
      {"thai", "\u0E01\u0E31"},
      {"hangul_parts", "\u1100\u1161\u11A8"},
      {"all_bytes", all_bytes},
      {"code", "    if (x == y) { return f(a, b); }\n"}};
  for (const auto& [name, unit] : texts)
    benchmark::RegisterBenchmark((std::string("encode/") + name).c_str(), encode, unit)
        ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("mask/first_time", mask_first_time)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("mask/again", mask_again)->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("grammar/compile_schema", compile_schema)
      ->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("grammar/build_trie", build_trie)->Unit(benchmark::kMillisecond);
  benchmark::RunSpecifiedBenchmarks();
}
