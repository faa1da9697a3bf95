// Every command of `shoal`, one function a file.
#pragma once
#include <memory>

#include "launch/command_line/command.h"

namespace shoal::launch {

std::unique_ptr<Command> make_serve();
std::unique_ptr<Command> make_chat();
std::unique_ptr<Command> make_generate();
std::unique_ptr<Command> make_status();
std::unique_ptr<Command> make_perplexity();
std::unique_ptr<Command> make_bench();
std::unique_ptr<Command> make_compare();
std::unique_ptr<Command> make_tokenize();
std::unique_ptr<Command> make_render();
std::unique_ptr<Command> make_inspect();
std::unique_ptr<Command> make_call();
std::unique_ptr<Command> make_plan();
std::unique_ptr<Command> make_pull();
std::unique_ptr<Command> make_verify();

Commands all_commands();

}  // namespace shoal::launch
