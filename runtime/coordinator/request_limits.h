// What a client may ask for: the ranges of sampling values, stops and ids, for every door. A value
// outside is named with the field's path and what would be accepted.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "loader/format/vocab.h"
#include "runtime/coordinator/generation_request.h"

namespace shoal::coordinator {

inline constexpr size_t kMaxStopStrings = 16;
inline constexpr size_t kMaxStopStringBytes = 1024;
inline constexpr size_t kMaxStopIds = 256;
inline constexpr int kMaxChoices = 64;
inline constexpr size_t kMaxSaltBytes = 128;
inline constexpr size_t kMaxRequestIdChars = 128;
inline constexpr size_t kMaxLogitBiases = 1024;
inline constexpr int32_t kMaxTopLogprobs = 20;

// Of a whole request, in the order of the fields; empty: it may be submitted. prompt_field is how
// the door calls where the prompt ids came from.
std::vector<FieldViolation> check_request(const GenerationRequest& request,
                                          int64_t vocab_size,
                                          const std::string& prompt_field);

// Ids in a message are unsigned 32 bit: false when one does not fit the vocabulary, and then a
// violation that names its place was added.
bool check_ids(const std::string& field,
               std::span<const uint32_t> ids,
               int64_t vocab_size,
               std::vector<FieldViolation>& violations);

// One Failure of kInvalidArgument for all of them; the message is the first.
Failure invalid_argument(std::vector<FieldViolation> violations);
Failure unimplemented(const std::string& field, const std::string& what);

// What a server takes where a request is silent: the file's recommendation, else temperature 1.
plan::SamplingParams default_sampling(const loader::RecommendedSampling& recommended);

// For a request that names none. The seed has 53 bits, so that JSON readers keep all of them.
std::string random_request_id();
uint64_t random_seed();

}  // namespace shoal::coordinator
