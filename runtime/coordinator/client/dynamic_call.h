// Any method of shoal.v1 by its name, with JSON in and JSON out: what `shoal call` does. Messages
// are described by the protos that this program was built with.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/deadline.h"
#include "runtime/coordinator/client/client_access.h"

namespace shoal::client {

// "shoal.v1.InferenceService/Generate", all of them, sorted.
std::vector<std::string> callable_methods();

// A method ("Generate", "InferenceService/Generate" or the whole name), a service or a message, as
// its .proto says it. Throws Error(kUsage) for a name that is not there, or names two things.
std::string describe(const std::string& name);

struct DynamicCall {
  std::string method;  // as in describe()
  std::string request_json = "{}";
  Deadline deadline = Deadline::never();
};

// Calls `reply` once for each message, on this thread. Throws Error: kUsage for a method or JSON
// that does not fit, else as GenerateClient does.
void call_method(const std::string& address,
                 const ClientAccess& access,
                 const DynamicCall& call,
                 const std::function<void(const std::string& json)>& reply);

}  // namespace shoal::client
