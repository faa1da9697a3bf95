#include "launch/commands/all_commands.h"

namespace shoal::launch {

Commands all_commands() {
  Commands commands;
  for (const auto make : {make_serve,
                          make_chat,
                          make_generate,
                          make_status,
                          make_perplexity,
                          make_bench,
                          make_compare,
                          make_tokenize,
                          make_render,
                          make_inspect,
                          make_call,
                          make_pull,
                          make_plan,
                          make_verify})
    commands.push_back(make());
  return commands;
}

}  // namespace shoal::launch
