#include <fmt/format.h>

#include "runtime/text/template/lexer.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/utf8.h"

namespace shoal::text::jinja {
namespace {

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

class Unescaper {
 public:
  Unescaper(std::string_view literal, int line) : literal_(literal), line_(line) {}

  std::string run() {
    while (pos_ < literal_.size()) {
      const char c = literal_[pos_++];
      if (c == '\\' && pos_ < literal_.size()) {
        read_escape(literal_[pos_++]);
      } else {
        out_ += c;
      }
    }
    return std::move(out_);
  }

 private:
  uint32_t read_digits(size_t max_digits, int radix) {
    uint32_t value = 0;
    for (size_t i = 0; i < max_digits && pos_ < literal_.size(); ++i, ++pos_) {
      if (digit_value(literal_[pos_]) >= radix) break;
      value =
          value * static_cast<uint32_t>(radix) + static_cast<uint32_t>(digit_value(literal_[pos_]));
    }
    return value;
  }

  uint32_t read_hex(char kind, size_t num_digits) {
    const size_t begin = pos_;
    const uint32_t value = read_digits(num_digits, 16);
    if (pos_ - begin != num_digits) {
      throw TemplateError(line_, fmt::format("truncated \\{} escape in a string", kind));
    }
    return value;
  }

  void append(uint32_t value) {
    const bool high = value >= 0xD800 && value < 0xDC00;
    if (high && literal_.substr(pos_, 2) == "\\u") {
      pos_ += 2;
      const uint32_t low = read_hex('u', 4);
      if (low >= 0xDC00 && low < 0xE000) {
        return append_utf8(out_, 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00));
      }
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
      throw TemplateError(line_, "a string escape names no character");
    }
    append_utf8(out_, value);
  }

  void read_escape(char c) {
    static constexpr std::string_view kNames = "abfnrtv\\'\"";
    static constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\'\"";
    if (const size_t simple = kNames.find(c); simple != std::string_view::npos) {
      out_ += kBytes[simple];
    } else if (c >= '0' && c <= '7') {
      --pos_;
      append(read_digits(3, 8));
    } else if (c == 'x') {
      append(read_hex(c, 2));
    } else if (c == 'u') {
      append(read_hex(c, 4));
    } else if (c == 'U') {
      append(read_hex(c, 8));
    } else if (c == 'N') {
      throw TemplateError(line_, "\\N{...} in a string is not supported");
    } else if (c != '\n') {  // an escaped line end joins the lines
      out_ += '\\';
      out_ += c;
    }
  }

  const std::string_view literal_;
  const int line_;
  size_t pos_ = 0;
  std::string out_;
};

}  // namespace

std::string unescape(std::string_view literal, int line) { return Unescaper(literal, line).run(); }

}  // namespace shoal::text::jinja
