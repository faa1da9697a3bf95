#include "runtime/text/template/chat_template.h"

#include <utility>

#include "runtime/text/template/interpreter.h"
#include "runtime/text/template/parser.h"

namespace shoal::text {

struct ChatTemplate::Tree {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Tree> tree) : tree_(std::move(tree)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

ChatTemplate ChatTemplate::parse(std::string_view source) {
  return ChatTemplate(std::make_unique<const Tree>(Tree{jinja::parse(source)}));
}

RenderResult ChatTemplate::render(const nlohmann::ordered_json& variables) const {
  const jinja::MarkedText output = jinja::Interpreter(variables).run(tree_->body);
  return {output.bytes(), output.pieces()};
}

}  // namespace shoal::text
