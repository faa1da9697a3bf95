// A chat template: the Jinja text in a model file that turns messages into a prompt, compiled once
// and rendered for each request. It speaks the part of Jinja2 that chat templates use, with the
// settings they are written for (trim_blocks and lstrip_blocks on, no autoescape), and prints
// what Python would print.
//
// The template comes from a file and is not trusted: it has no host objects, no files and no
// imports, and a rendering is bounded (1,000,000 steps, 4 MiB of output, 64 levels of nesting,
// 1 MiB of source). A parsed template is immutable and may be rendered by several threads.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/template/rendered_piece.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text {

struct RenderResult {
  std::string text;
  // The same text by author, neighbours never of the same one; joined they are `text`.
  std::vector<RenderedPiece> pieces;
};

class ChatTemplate {
 public:
  // Throws TemplateError (exit code 6) naming the line and the construct.
  static ChatTemplate parse(std::string_view source);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `variables` is an object with the template's variables: messages, tools,
  // add_generation_prompt, enable_thinking, ...; what is absent is undefined. Throws
  // TemplateError: the template's own message when it refuses with raise_exception, else the
  // line and the reason.
  RenderResult render(const nlohmann::ordered_json& variables) const;

 private:
  struct Tree;
  explicit ChatTemplate(std::unique_ptr<const Tree> tree);

  std::unique_ptr<const Tree> tree_;
};

}  // namespace shoal::text
