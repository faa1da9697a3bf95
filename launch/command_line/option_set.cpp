#include "launch/command_line/option_set.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "runtime/base/check.h"
#include "runtime/base/env.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

std::string variable_name(const std::string& flag) {
  std::string name = "SHOAL_";
  for (const char c : flag)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace

const char* origin_name(Origin origin) {
  switch (origin) {
    case Origin::kFlag:
      return "flag";
    case Origin::kEnvironment:
      return "environment";
    case Origin::kClusterFile:
      return "cluster file";
    case Origin::kModelFile:
      return "model file";
    case Origin::kDefault:
      break;
  }
  return "default";
}

void OptionSet::remember(CLI::Option* option, std::function<std::string()> text, bool takes_value) {
  SHOAL_ASSERT(!option->get_lnames().empty(), "an option needs a long name");
  const std::string name = option->get_lnames().front();
  option->group(heading_);
  option->description(fmt::format("{} [{}]", option->get_description(), variable_name(name)));
  if (takes_value && !text().empty()) option->default_str(text());
  entries_.push_back({option, name, std::move(text), Origin::kDefault, takes_value});
}

void OptionSet::add_repeated(const std::string& names,
                             std::vector<std::string>& values,
                             const std::string& help) {
  remember(app_.add_option(names, values, help)->allow_extra_args(false),
           [&values] { return option_text(values); });
}

void OptionSet::add_switch(const std::string& names, bool& value, const std::string& help) {
  remember(
      app_.add_flag(names, value, help), [&value] { return option_text(value); }, false);
}

void OptionSet::read_environment() {
  for (Entry& entry : entries_) {
    if (entry.option->count() > 0) {
      entry.origin = Origin::kFlag;
      continue;
    }
    const auto value = env_flag(entry.name);
    if (!value || value->empty()) continue;
    try {
      entry.option->add_result(*value);
      entry.option->run_callback();
    } catch (const CLI::Error& error) {
      throw Error(ExitCode::kUsage,
                  fmt::format("{}: cannot read '{}': {}",
                              variable_name(entry.name),
                              printable(*value),
                              printable(error.what(), 200)));
    }
    entry.origin = Origin::kEnvironment;
  }
}

OptionSet::Entry& OptionSet::entry(const std::string& name) {
  const auto found = std::find_if(
      entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.name == name; });
  SHOAL_ASSERT(found != entries_.end(), "no option '{}'", name);
  return *found;
}

Origin OptionSet::origin(const std::string& name) const {
  return const_cast<OptionSet*>(this)->entry(name).origin;
}

void OptionSet::set_origin(const std::string& name, Origin origin) { entry(name).origin = origin; }

std::vector<OptionSet::Flag> OptionSet::flags() const {
  std::vector<Flag> flags;
  for (const Entry& entry : entries_) {
    for (const std::string& name : entry.option->get_lnames())
      flags.push_back({"", name, entry.takes_value});
    for (const std::string& name : entry.option->get_snames())
      flags.push_back({name, "", entry.takes_value});
  }
  return flags;
}

std::string OptionSet::print(bool json) const {
  if (json) {
    auto object = nlohmann::ordered_json::object();
    for (const Entry& entry : entries_)
      object[entry.name] = {{"value", entry.text()}, {"origin", origin_name(entry.origin)}};
    return object.dump(2) + "\n";
  }
  std::string table;
  for (const Entry& entry : entries_)
    table += fmt::format("{:<22} {:<30} {}\n", entry.name, entry.text(), origin_name(entry.origin));
  return table;
}

}  // namespace shoal::launch
