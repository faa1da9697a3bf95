#include "loader/format/vocab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "loader/format/gguf.h"
#include "loader/io/model_files.h"
#include "tests/unit/loader/tiny_model.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;

const std::string kPrefix = "tokenizer.ggml.";

Vocab parse(const GgufFile& file) {
  const std::string bytes = file.bytes();
  return parse_vocab(parse_shard(as_file(bytes), "f").metadata);
}

template <class Change>
std::string verdict_of(Change&& change) {
  GgufFile file;
  add_tiny_vocabulary(file);
  change(file);
  return verdict([&] { parse(file); });
}

TEST(Vocab, Tiny) {
  GgufFile file;
  add_tiny_vocabulary(file);
  file.u32(kPrefix + "bos_token_id", 3);
  file.put(kPrefix + "add_bos_token", 7, "\1");
  file.string("tokenizer.chat_template", "{{ x }}");
  file.i32("general.sampling.top_k", 20);
  file.f32("general.sampling.temp", 0.5F);
  const Vocab vocab = parse(file);
  EXPECT_EQ(vocab.tokens.size(), 8U);
  EXPECT_EQ(vocab.types[5], TokenType::kControl);
  EXPECT_EQ(vocab.types[6], TokenType::kUserDefined);
  EXPECT_THAT(vocab.merges, ElementsAre("a b", "ab c"));
  EXPECT_EQ(vocab.eos_id, 5);
  EXPECT_EQ(vocab.bos_id, 3);
  EXPECT_EQ(vocab.padding_id, std::nullopt);
  EXPECT_TRUE(vocab.add_bos);
  EXPECT_EQ(vocab.chat_template, "{{ x }}");
  EXPECT_EQ(vocab.sampling.top_k, 20);
  EXPECT_EQ(vocab.sampling.temperature, 0.5F);
  EXPECT_EQ(vocab.sampling.top_p, std::nullopt);
}

TEST(Vocab, DemoModel) {
  const ModelFiles model =
      open_model(SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf");
  const Vocab vocab = parse_vocab(model.metadata);
  EXPECT_EQ(vocab.tokens.size(), 8448U);
  EXPECT_EQ(vocab.types.size(), 8448U);
  EXPECT_EQ(vocab.merges.size(), 7936U);
  EXPECT_EQ(vocab.tokens[0], "!");
  EXPECT_EQ(vocab.merges[3], "i n");
  EXPECT_EQ(vocab.eos_id, 8194);
  EXPECT_EQ(vocab.tokens[8194], "<|im_end|>");
  EXPECT_EQ(vocab.padding_id, 8192);
  EXPECT_FALSE(vocab.chat_template.empty());
}

TEST(Vocab, LargePublicVocabulary) {
  const std::string path = SHOAL_SHARED_DIR "/data/tokenizer/vocab-151k-pre-qwen35.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const ModelFiles model = open_model(path);
  const Vocab vocab = parse_vocab(model.metadata);
  EXPECT_EQ(vocab.tokens.size(), 151936U);
  EXPECT_EQ(vocab.merges.size(), 151387U);
  EXPECT_EQ(vocab.eos_id, 151643);
}

TEST(Vocab, NulRawBytesAndEmptyTextsAreAccepted) {
  EXPECT_EQ(verdict_of([](GgufFile& file) {
              file.put(kPrefix + "tokens",
                       9,
                       texts({"a", "b", "c", "ab", "abc", std::string("\0\xff", 2), "", ""}));
            }),
            "loads");
}

TEST(Vocab, RefusesBadData) {
  const auto tokens = [](std::vector<std::string> values) {
    return verdict_of([&](GgufFile& file) { file.put(kPrefix + "tokens", 9, texts(values)); });
  };
  const auto merges = [](std::vector<std::string> values) {
    return verdict_of([&](GgufFile& file) { file.put(kPrefix + "merges", 9, texts(values)); });
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {verdict_of([](GgufFile& file) { file.erase(kPrefix + "merges"); }),
       "required key 'tokenizer.ggml.merges' is missing"},
      {verdict_of([](GgufFile& file) {
         file.put(kPrefix + "token_type", 9, array_of(0, 8, std::string(8, '\1')));
       }),
       "array 'tokenizer.ggml.token_type' must be i32, found u8"},
      {verdict_of([](GgufFile& file) {
         file.put(kPrefix + "scores", 9, array_of(1, 8, std::string(8, '\1')));
       }),
       "array 'tokenizer.ggml.scores' must be f32, found i8"},
      {verdict_of([](GgufFile& file) {
         file.put(kPrefix + "token_type", 9, array_of(5, 3, std::string(12, '\0')));
       }),
       "'token_type' has 3 entries for 8 tokens"},
      {merges({"a b", "ab"}), "merge 1 'ab' has no space"},
      {merges({"a x"}), "merge 0 'a x' names 'ax', which is no token"},
      {merges({"q b"}), "merge 0 'q b' names 'q', which is no token"},
      {tokens({"a", "b", std::string(1 << 20, 'x')}), "token 2 is 1048576 bytes; 65535 allowed"},
      {tokens({"a", "b", "c", "a"}), "token 3 repeats token 0"},
      {verdict_of([](GgufFile& file) {
         file.put(kPrefix + "tokens", 9, texts({"<0x0A>", "<0x-1>"}));
         file.put(kPrefix + "token_type", 9, array_of(5, 2, raw(6) + raw(6)));
       }),
       "token 1 '<0x-1>' is not a byte token"},
      {verdict_of([](GgufFile& file) { file.u32(kPrefix + "eos_token_id", 999999); }),
       "eos id 999999 is outside the vocabulary of 8"},
      {verdict_of([](GgufFile& file) { file.i32(kPrefix + "eos_token_id", -1); }),
       "key 'tokenizer.ggml.eos_token_id' must be u32, found i32"},
      {verdict_of([](GgufFile& file) { file.string(kPrefix + "pre", "foo"); }),
       "pre-tokenizer 'foo' is not supported"},
      {verdict_of([](GgufFile& file) { file.string(kPrefix + "model", "llama"); }),
       "tokenizer model 'llama' is not supported; gpt2 is"},
  };
  for (const auto& [got, ending] : cases) EXPECT_THAT(got, EndsWith(ending));
}

}  // namespace
}  // namespace shoal::loader::testing
