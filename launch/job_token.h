// The secret by which the coordinator knows the workers that its launcher started.
#pragma once
#include <string>

namespace shoal::launch {

std::string make_job_token();  // 128 random bits as 32 hex digits; throws Error (unexpected)

}  // namespace shoal::launch
