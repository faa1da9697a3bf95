// The slow twin of the masks: whether bytes begin a text of a grammar, by walking the grammar's
// tree at every place of the text. Shares nothing with the automaton but the tree.
#pragma once
#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "runtime/text/grammar/syntax.h"
#include "runtime/text/utf8.h"

namespace shoal::grammar::testing {

class BruteForce {
 public:
  struct Verdict {
    bool begins = false, accepts = false;
  };

  explicit BruteForce(const Syntax& syntax) : syntax_(syntax) {}

  Verdict judge(std::string_view text) {
    text_ = text;
    begins_ = false;
    known_.clear();
    const Ends ends = match(syntax_.rules[static_cast<size_t>(syntax_.start)].body, 0);
    const bool accepts = ends.contains(text.size());
    return {begins_ || accepts, accepts};
  }

 private:
  using Ends = std::set<size_t>;

  // Every place up to which the node can match from `at`. A node that wants more bytes at the end
  // of the text has shown that the text begins something.
  Ends match(int index, size_t at) {
    const auto key = std::pair(index, at);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
    return known_[key] = match_anew(syntax_.nodes[static_cast<size_t>(index)], at);
  }

  Ends match_anew(const Node& node, size_t at) {
    switch (node.kind) {
      case Node::Kind::kChars:
        return match_char(node.chars, at);
      case Node::Kind::kLiteral: {
        const std::string_view here = text_.substr(at, node.text.size());
        if (!std::string_view(node.text).starts_with(here)) return {};
        if (here.size() == node.text.size()) return {at + here.size()};
        begins_ = true;
        return {};
      }
      case Node::Kind::kRule:
        return match(syntax_.rules[static_cast<size_t>(node.rule)].body, at);
      case Node::Kind::kSequence: {
        Ends places = {at};
        for (const int child : node.children) places = match_from(child, places);
        return places;
      }
      case Node::Kind::kChoice: {
        Ends out;
        for (const int child : node.children) out.merge(match(child, at));
        return out;
      }
      case Node::Kind::kRepeat:
        return match_repeat(node, at);
    }
    return {};
  }

  Ends match_from(int child, const Ends& places) {
    Ends out;
    for (const size_t place : places) out.merge(match(child, place));
    return out;
  }

  Ends match_repeat(const Node& node, size_t at) {
    Ends out, places = {at};
    for (int count = 0; !places.empty(); ++count) {
      if (count >= node.min) {
        const size_t known = out.size();
        out.insert(places.begin(), places.end());
        if (count > node.min && out.size() == known) break;  // nothing new can come
      }
      if (node.max != Node::kNoLimit && count >= node.max) break;
      places = match_from(node.children.front(), places);
    }
    return out;
  }

  Ends match_char(const CharSet& chars, size_t at) {
    if (at == text_.size()) {
      begins_ = true;
      return {};
    }
    const text::CodePoint point = text::decode_code_point(text_, at);
    if (point.well_formed) return chars.contains(point.value) ? Ends{at + point.num_bytes} : Ends{};
    begins_ = begins_ || can_complete(chars, text_.substr(at));
    return {};
  }

  // Whether the bytes are the first ones, but not all, of some character of the set.
  static bool can_complete(const CharSet& chars, std::string_view bytes) {
    const auto lead = static_cast<uint8_t>(bytes.front());
    const size_t size = lead >= 0xF8   ? 0
                        : lead >= 0xF0 ? 4
                        : lead >= 0xE0 ? 3
                        : lead >= 0xC0 ? 2
                                       : 0;
    if (bytes.size() >= size) return false;
    char32_t low = lead & ((1u << (7 - size)) - 1), high = low;
    for (size_t i = 1; i < size; ++i) {
      const auto byte = i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0x80;
      if ((byte & 0xC0) != 0x80) return false;
      low = low << 6 | (byte & 0x3F);
      high = high << 6 | (i < bytes.size() ? byte & 0x3F : 0x3F);
    }
    const char32_t shortest = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
    return std::ranges::any_of(chars.ranges(), [&](const CharRange& range) {
      return std::max(range.first, std::max(low, shortest)) <= std::min(range.last, high);
    });
  }

  const Syntax& syntax_;
  std::string_view text_;
  bool begins_ = false;
  std::map<std::pair<int, size_t>, Ends> known_;
};

}  // namespace shoal::grammar::testing
