#include <cstdio>
#include <nlohmann/json.hpp>

#include "launch/commands/all_commands.h"
#include "launch/text_file.h"
#include "loader/format/vocab.h"
#include "loader/io/model_files.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"
#include "runtime/text/template/chat_template.h"

namespace shoal::launch {
namespace {

using Json = nlohmann::ordered_json;

Json read_variables(const std::string& path) {
  Json variables = Json::parse(read_text_file(path, "messages file"), nullptr, false);
  if (variables.is_array())
    return Json{{"messages", std::move(variables)}, {"add_generation_prompt", true}};
  if (!variables.is_object())
    throw Error(ExitCode::kUsage,
                fmt::format("{}: not a JSON object with the template's variables, nor a list of "
                            "messages",
                            printable(path, 200)));
  return variables;
}

class Render final : public Command {
 public:
  std::string name() const override { return "render"; }
  std::string summary() const override { return "Messages to a prompt, by the chat template"; }

  void declare(OptionSet& options) override {
    model_.declare(options);
    options.group("Chat");
    options.add("--messages", messages_, "JSON: an object with messages, tools, ..., or a list");
    options.add("--template", template_, "A Jinja file instead of the model's template");
  }

  void resolve(OptionSet&) override {
    if (messages_.empty()) throw Error(ExitCode::kUsage, "no messages: --messages FILE is needed");
    if (template_.empty()) model_.validate();
  }

  // Nothing is printed behind the prompt, not even a newline. A refusal leaves as TemplateError.
  int run() override {
    const Json variables = read_variables(messages_);
    const text::ChatTemplate chat_template = text::ChatTemplate::parse(source());
    const std::string prompt = chat_template.render(variables).text;
    if (output.json) {
      fmt::print("{}\n",
                 Json{{"text", prompt}}.dump(-1, ' ', false, Json::error_handler_t::replace));
    } else {
      std::fwrite(prompt.data(), 1, prompt.size(), stdout);
    }
    return 0;
  }

 private:
  std::string source() const {
    if (!template_.empty()) return read_text_file(template_, "template");
    std::string source =
        loader::parse_chat_template(loader::open_model(model_.local_path()).metadata);
    if (source.empty())
      throw Error(ExitCode::kRequest,
                  fmt::format("{} has no chat template: give one with --template FILE",
                              printable(model_.path.empty() ? model_.hf_repo : model_.path, 200)));
    return source;
  }

  ModelOptions model_;
  std::string messages_, template_;
};

}  // namespace

std::unique_ptr<Command> make_render() { return std::make_unique<Render>(); }

}  // namespace shoal::launch
