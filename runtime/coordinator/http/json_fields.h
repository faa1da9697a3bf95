// A JSON object of a request, read field by field: each value is checked for its type, what was
// not asked for is known afterwards. null counts as absent everywhere.
#pragma once
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "runtime/coordinator/generation_request.h"

namespace shoal::http {

using Json = nlohmann::ordered_json;

class JsonFields {
 public:
  explicit JsonFields(const Json& object, std::string path = "")
      : object_(object), path_(std::move(path)) {}

  // Null when absent. Counts as asked for.
  const Json* find(const std::string& name);

  std::optional<bool> boolean(const std::string& name);
  std::optional<double> number(const std::string& name);
  std::optional<int64_t> integer(const std::string& name,
                                 int64_t min = std::numeric_limits<int64_t>::min(),
                                 int64_t max = std::numeric_limits<int64_t>::max());
  std::optional<std::string> text(const std::string& name);
  std::optional<std::vector<int32_t>> ids(const std::string& name);
  // A string, or a list of strings.
  std::vector<std::string> texts(const std::string& name);

  // Known, and without meaning here.
  void ignore(std::initializer_list<const char*> names);
  // Refused unless absent or equal to `neutral`.
  void refuse_unless(const std::string& name, const Json& neutral, const std::string& what);

  void refuse(coordinator::Failure failure);  // as it is; the first one counts

  void violate(const std::string& name, const std::string& description);
  // The first thing that is wrong: a violation, else a refusal.
  std::optional<coordinator::Failure> failure() const;
  std::vector<std::string> unknown() const;

 private:
  std::string where(const std::string& name) const { return path_ + name; }

  const Json& object_;
  std::string path_;
  std::set<std::string> known_;
  std::vector<coordinator::FieldViolation> violations_;
  std::optional<coordinator::Failure> refusal_;
};

// A body as JSON: an object nested at most 64 levels, of at most 20,000 members, or why not.
std::variant<Json, coordinator::Failure> parse_body(const std::string& body);

}  // namespace shoal::http
