// A request's bytes as gRPC hands them over: a request that may be submitted, or a Failure that
// says in one line what is wrong.
#include <cstddef>
#include <cstdint>
#include <variant>

#include "runtime/base/check.h"
#include "runtime/coordinator/request_from_proto.h"
#include "tests/unit/coordinator/fake_request_door.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shoal;
  using namespace shoal::coordinator;
  static const auto kModel = byte_model();
  v1::GenerationSpec spec;
  if (!spec.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto result = request_from_proto(spec, {}, *kModel);
  if (const auto* failure = std::get_if<Failure>(&result)) {
    SHOAL_ASSERT(!failure->message.empty(), "code {}", static_cast<int>(failure->code));
    SHOAL_ASSERT(failure->message.find('\n') == std::string::npos, "{}", failure->message);
    return 0;
  }
  const auto& request = std::get<GenerationRequest>(result);
  SHOAL_ASSERT(!request.prompt_ids.empty() && !request.request_id.empty(), "accepted");
  SHOAL_ASSERT(request.sampling.temperature >= 0 && request.max_tokens >= 0, "accepted");
  for (const int32_t id : request.prompt_ids)
    SHOAL_ASSERT(id >= 0 && id < kModel->tokenizer->vocab_size(), "prompt id {}", id);
  return 0;
}
