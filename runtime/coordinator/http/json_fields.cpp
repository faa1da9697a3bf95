#include "runtime/coordinator/http/json_fields.h"

#include <fmt/format.h>

#include <cmath>

#include "runtime/base/printable.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::http {
namespace {

constexpr int kMaxDepth = 64;        // templates and printers recurse
constexpr int kMaxMembers = 20'000;  // a member is looked for among all before it

bool is_sane(const std::string& body) {
  int depth = 0, members = 0;
  bool in_string = false;
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return false;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == ':' && ++members > kMaxMembers) {
      return false;
    }
  }
  return true;
}

coordinator::Failure bad_body(const std::string& description) {
  coordinator::Failure failure;
  failure.code = coordinator::FailureCode::kInvalidArgument;
  failure.reason = "INVALID_JSON";
  failure.message = description;
  return failure;
}

}  // namespace

const Json* JsonFields::find(const std::string& name) {
  known_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<bool> JsonFields::boolean(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  violate(name, "not true or false");
  return std::nullopt;
}

std::optional<double> JsonFields::number(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->get<double>();
  violate(name, "not a number");
  return std::nullopt;
}

std::optional<int64_t> JsonFields::integer(const std::string& name, int64_t min, int64_t max) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  int64_t read = 0;
  constexpr double kExact = 9007199254740992.0;
  if (value->is_number_unsigned() &&
      value->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    read = std::numeric_limits<int64_t>::max();
  } else if (value->is_number_integer()) {
    read = value->get<int64_t>();
  } else if (value->is_number_float() && std::abs(value->get<double>()) <= kExact &&
             std::trunc(value->get<double>()) == value->get<double>()) {
    read = static_cast<int64_t>(value->get<double>());
  } else {
    violate(name, "not an integer");
    return std::nullopt;
  }
  if (read >= min && read <= max) return read;
  violate(name,
          max == std::numeric_limits<int64_t>::max()
              ? fmt::format("{} is below {}", read, min)
              : fmt::format("{} is outside {}..{}", read, min, max));
  return std::nullopt;
}

std::optional<std::string> JsonFields::text(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  violate(name, "not a string");
  return std::nullopt;
}

std::optional<std::vector<int32_t>> JsonFields::ids(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  std::vector<int32_t> ids;
  if (!value->is_array()) {
    violate(name, "not a list of token ids");
    return std::nullopt;
  }
  for (size_t i = 0; i < value->size(); ++i) {
    const Json& id = (*value)[i];
    // Negative numbers and those past int32 stay outside the vocabulary; the checks name them.
    if (!id.is_number_integer()) {
      violate(fmt::format("{}[{}]", name, i), "not a token id");
      return std::nullopt;
    }
    const auto wide = id.is_number_unsigned() ? static_cast<double>(id.get<uint64_t>())
                                              : static_cast<double>(id.get<int64_t>());
    ids.push_back(wide < 0 || wide > std::numeric_limits<int32_t>::max()
                      ? -1
                      : static_cast<int32_t>(id.get<int64_t>()));
  }
  return ids;
}

std::vector<std::string> JsonFields::texts(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get<std::string>()};
  std::vector<std::string> list;
  if (value->is_array()) {
    for (const Json& one : *value)
      if (one.is_string()) list.push_back(one.get<std::string>());
    if (list.size() == value->size()) return list;
  }
  violate(name, "not a string or a list of strings");
  return {};
}

void JsonFields::ignore(std::initializer_list<const char*> names) {
  known_.insert(names.begin(), names.end());
}

void JsonFields::refuse_unless(const std::string& name,
                               const Json& neutral,
                               const std::string& what) {
  const Json* value = find(name);
  if (value == nullptr || *value == neutral) return;
  refuse(coordinator::unimplemented(where(name), what));
}

void JsonFields::refuse(coordinator::Failure failure) {
  if (!refusal_) refusal_ = std::move(failure);
}

void JsonFields::violate(const std::string& name, const std::string& description) {
  violations_.push_back({where(name), description});
}

std::optional<coordinator::Failure> JsonFields::failure() const {
  if (!violations_.empty()) return coordinator::invalid_argument(violations_);
  return refusal_;
}

std::vector<std::string> JsonFields::unknown() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : object_.items())
    if (known_.count(name) == 0) names.push_back(name);
  return names;
}

std::variant<Json, coordinator::Failure> parse_body(const std::string& body) {
  if (!is_sane(body)) return bad_body("the body is nested too deeply or has too many members");
  Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) return bad_body("the body is not JSON in UTF-8");
  if (!json.is_object()) return bad_body("the body is not a JSON object");
  return json;
}

}  // namespace shoal::http
