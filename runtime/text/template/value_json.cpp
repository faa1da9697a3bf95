#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/text/template/characters.h"
#include "runtime/text/template/dict.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {
namespace {

std::string json_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return format_float(value);
}

std::string escape_utf16(char32_t value) {
  if (value < 0x10000) return fmt::format("\\u{:04x}", static_cast<uint32_t>(value));
  const uint32_t rest = value - 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  void write(const Value& value) {
    switch (value.kind()) {
      case Kind::kNone:
        return out_.append("null", value.trusted());
      case Kind::kBool:
        return out_.append(value.as_bool() ? "true" : "false", value.trusted());
      case Kind::kInt:
        return out_.append(format_int(value.as_whole()), value.trusted());
      case Kind::kFloat:
        return out_.append(json_float(value.as_float()), value.trusted());
      case Kind::kText:
        return write_string(value.as_text());
      case Kind::kList:
        return write_list(value.as_list());
      case Kind::kDict:
        return write_dict(value.as_dict());
      default:
        fail(fmt::format("TypeError: Object of type {} is not JSON serializable",
                         value.type_name()));
    }
  }

  MarkedText take() { return std::move(out_); }

 private:
  void write_string(const MarkedText& text) {
    out_.append("\"", false);
    text.for_each_run([this](std::string_view run, bool trusted) { write_run(run, trusted); });
    out_.append("\"", false);
  }

  void write_run(std::string_view run, bool trusted) {
    size_t plain_from = 0;
    for (size_t i = 0; i < run.size();) {
      const auto byte = static_cast<unsigned char>(run[i]);
      const bool wide = byte >= 0x80;
      if (byte >= 0x20 && byte != '"' && byte != '\\' && !(wide && style_.ensure_ascii)) {
        ++i;
        continue;
      }
      out_.append(run.substr(plain_from, i - plain_from), trusted);
      const CodePoint c = decode_code_point(run, i);
      out_.append(escape(c.value), trusted);
      i += c.num_bytes;
      plain_from = i;
    }
    out_.append(run.substr(plain_from), trusted);
  }

  static std::string escape(char32_t value) {
    switch (value) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\f':
        return "\\f";
      case '\b':
        return "\\b";
      default:
        return escape_utf16(value);
    }
  }

  void write_list(const List& list) {
    if (list.items.empty()) return out_.append("[]", false);
    out_.append("[", false);
    ++level_;
    for (size_t i = 0; i < list.items.size(); ++i) {
      begin_item(i == 0);
      write(list.items[i]);
    }
    --level_;
    new_line();
    out_.append("]", false);
  }

  void write_dict(const Dict& dict) {
    if (dict.size() == 0) return out_.append("{}", false);
    std::vector<const Dict::Entry*> entries;
    for (const auto& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
        return key_text(a->first).view() < key_text(b->first).view();
      });
    }
    out_.append("{", false);
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      begin_item(i == 0);
      write_string(key_text(entries[i]->first));
      out_.append(style_.key_separator, false);
      write(entries[i]->second);
    }
    --level_;
    new_line();
    out_.append("}", false);
  }

  // JSON keys are strings: other scalars are spelled as their JSON value.
  static MarkedText key_text(const Value& key) {
    if (key.is_text()) return key.as_text();
    JsonWriter writer{JsonStyle{}};
    writer.write(key);
    return writer.take();
  }

  void begin_item(bool first) {
    if (!first) out_.append(style_.item_separator, false);
    new_line();
  }

  void new_line() {
    if (!style_.indent) return;
    out_.append("\n", false);
    out_.append(std::string(static_cast<size_t>(*style_.indent) * level_, ' '), false);
  }

  const JsonStyle style_;
  MarkedText out_;
  size_t level_ = 0;
};

}  // namespace

MarkedText to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  writer.write(value);
  return writer.take();
}

}  // namespace shoal::text::jinja
