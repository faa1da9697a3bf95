// Any bytes to ids and back: what comes back is the repaired text in NFC, also where pieces of it
// count as written by a stranger, and also token by token.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/text/detokenizer.h"
#include "runtime/text/nfc.h"
#include "runtime/text/tokenizer.h"
#include "tests/unit/text/gguf_vocab.h"

namespace {

using namespace shoal::text;

const Tokenizer& tokenizer() {
  static const Tokenizer kTokenizer(
      read_gguf_vocab(SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf"));
  return kTokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string expected = to_nfc(sanitize_utf8(bytes));
  constexpr DecodeOptions kAll{.skip_special_tokens = false};

  const auto plain = tokenizer().encode(bytes, SpecialTokens::kPlainText);
  SHOAL_ASSERT(tokenizer().decode(plain, kAll) == expected, "{} bytes", size);
  for (const int32_t id : plain) SHOAL_ASSERT(!tokenizer().is_control(id), "control token {}", id);

  // The joined text of the pieces is encoded; nothing of a stranger's becomes a control token.
  const size_t cut = size == 0 ? 0 : data[0] % size;
  const TextPiece pieces[] = {{std::string(bytes.substr(0, cut)), false},
                              {std::string(bytes.substr(cut)), false}};
  for (const int32_t id : tokenizer().encode(pieces))
    SHOAL_ASSERT(!tokenizer().is_control(id), "control token {}", id);

  const auto ids = tokenizer().encode(bytes, SpecialTokens::kRecognize);
  Detokenizer detokenizer(tokenizer(), kAll);
  std::string streamed;
  for (const int32_t id : ids) streamed += detokenizer.push(id);
  streamed += detokenizer.flush();
  SHOAL_ASSERT(streamed == tokenizer().decode(ids, kAll), "{} bytes", size);
  return 0;
}
