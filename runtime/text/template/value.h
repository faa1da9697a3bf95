// A value of the template language, with Python's meaning of each kind. Values are immutable and
// cheap to copy (containers are shared); only a namespace() and a loop's state change. One
// rendering owns its values; they are not shared between threads.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/text/template/marked_text.h"

namespace shoal::text::jinja {

using Int = __int128;  // wide enough for every JSON integer; results beyond it are refused

class Value;
class Dict;
class Loop;
struct List;
struct Namespace;
struct Callable;

struct None {};
struct Undefined {
  std::shared_ptr<const std::string> why;  // what to say when it is used
};

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kText,
  kList,  // lists and tuples
  kDict,
  kNamespace,
  kLoop,
  kCallable,
};

class Value {
 public:
  Value() : storage_(Undefined{}) {}
  Value(bool value) : storage_(value) {}
  Value(Int value) : storage_(value) {}
  Value(double value) : storage_(value) {}
  Value(MarkedText text);
  Value(std::shared_ptr<Namespace> value) : storage_(std::move(value)) {}
  Value(std::shared_ptr<Loop> value) : storage_(std::move(value)) {}
  Value(Callable callable);
  Value(const char*) = delete;  // would silently become a bool

  static Value none();
  static Value undefined(std::string why);
  static Value integer(int64_t value) { return Value(static_cast<Int>(value)); }
  static Value text(std::string bytes, bool trusted) {
    return MarkedText(std::move(bytes), trusted);
  }
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  static Value dict(Dict dict);
  // Everything inside is untrusted. Throws Fault past kMaxValueDepth.
  static Value from_json(const nlohmann::ordered_json& json, int depth = 0);

  Kind kind() const { return static_cast<Kind>(storage_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  bool is_undefined() const { return is(Kind::kUndefined); }
  bool is_none() const { return is(Kind::kNone); }
  bool is_text() const { return is(Kind::kText); }
  bool is_number() const { return is(Kind::kBool) || is(Kind::kInt) || is(Kind::kFloat); }
  bool is_whole() const { return is(Kind::kBool) || is(Kind::kInt); }

  bool as_bool() const { return std::get<bool>(storage_); }
  Int as_whole() const { return is(Kind::kBool) ? Int{as_bool()} : std::get<Int>(storage_); }
  double as_float() const;  // of any number
  const MarkedText& as_text() const {
    return *std::get<std::shared_ptr<const MarkedText>>(storage_);
  }
  const List& as_list() const { return *std::get<std::shared_ptr<const List>>(storage_); }
  const Dict& as_dict() const { return *std::get<std::shared_ptr<const Dict>>(storage_); }
  const std::shared_ptr<Namespace>& as_namespace() const {
    return std::get<std::shared_ptr<Namespace>>(storage_);
  }
  const std::shared_ptr<Loop>& as_loop() const { return std::get<std::shared_ptr<Loop>>(storage_); }
  const Callable& as_callable() const {
    return *std::get<std::shared_ptr<const Callable>>(storage_);
  }

  // Numbers, booleans and none that came with the request stay untrusted when they are printed.
  bool trusted() const { return trusted_; }
  Value& with_trust(bool trusted) {
    trusted_ = trusted;
    return *this;
  }

  bool truthy() const;
  int depth() const;                   // 0 for scalars
  std::string_view type_name() const;  // as Python names it: "str", "NoneType", ...
  std::string describe_type() const;   // as Jinja names it in errors: "dict object"
  // Throws Fault with the reason when undefined.
  void require_defined() const;

 private:
  using Storage = std::variant<Undefined,
                               None,
                               bool,
                               Int,
                               double,
                               std::shared_ptr<const MarkedText>,
                               std::shared_ptr<const List>,
                               std::shared_ptr<const Dict>,
                               std::shared_ptr<Namespace>,
                               std::shared_ptr<Loop>,
                               std::shared_ptr<const Callable>>;
  explicit Value(Storage storage) : storage_(std::move(storage)) {}

  Storage storage_;
  bool trusted_ = true;
};

struct List {
  std::vector<Value> items;
  bool is_tuple = false;
  int depth = 1;
};

// namespace(): the one thing that a template may change from inside a loop.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;

  const Value* find(std::string_view name) const;
  void set(std::string_view name, Value value);
};

}  // namespace shoal::text::jinja
