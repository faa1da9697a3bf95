// The options of one command: each is a flag, has an environment twin SHOAL_<FLAG>, and remembers
// where its value came from. A flag beats the environment, which beats the cluster file, the model
// file and the default. Main thread only.
#pragma once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace shoal::launch {

enum class Origin { kFlag, kEnvironment, kClusterFile, kModelFile, kDefault };
const char* origin_name(Origin origin);

template <class T>
std::string option_text(const T& value) {
  if constexpr (std::is_same_v<T, bool>)
    return value ? "true" : "false";
  else
    return fmt::format("{}", value);
}
template <class T>
std::string option_text(const std::optional<T>& value) {
  return value ? option_text(*value) : "";
}
template <class T>
std::string option_text(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) text += (text.empty() ? "" : ",") + option_text(value);
  return text;
}

class OptionSet {
 public:
  // `app` is the command's; it must outlive the set, as must every value added.
  explicit OptionSet(CLI::App& app) : app_(app) {}
  OptionSet(const OptionSet&) = delete;
  OptionSet& operator=(const OptionSet&) = delete;

  // names as CLI11 takes them, "-c,--ctx-size": the first long name is the option's name.
  template <class T>
  void add(const std::string& names, T& value, const std::string& help) {
    remember(app_.add_option(names, value, help), [&value] { return option_text(value); });
  }
  // "1,2,3" or the flag given several times.
  template <class T>
  void add_list(const std::string& names, std::vector<T>& values, const std::string& help) {
    remember(app_.add_option(names, values, help)->delimiter(','),
             [&values] { return option_text(values); });
    entries_.back().option->allow_extra_args(false);
  }
  // Several values by repeating the flag; commas are part of a value.
  void add_repeated(const std::string& names,
                    std::vector<std::string>& values,
                    const std::string& help);
  void add_switch(const std::string& names, bool& value, const std::string& help);
  // What stands without a flag. Has no environment twin.
  void add_words(std::vector<std::string>& words, const std::string& help) {
    app_.add_option("words", words, help);
  }

  // Heading in --help for the options that follow.
  void group(const std::string& heading) { heading_ = heading; }

  // After parsing: fills options not given as flags from SHOAL_<FLAG>. Throws Error (usage) that
  // names the variable.
  void read_environment();

  bool given(const std::string& name) const { return origin(name) != Origin::kDefault; }
  Origin origin(const std::string& name) const;
  void set_origin(const std::string& name, Origin origin);

  struct Flag {
    std::string short_name, long_name;  // "c", "ctx-size"; short may be empty
    bool takes_value = true;
  };
  std::vector<Flag> flags() const;  // as typed, aliases included

  // Each value with its origin, as a table or a JSON object.
  std::string print(bool json) const;

 private:
  struct Entry {
    CLI::Option* option = nullptr;
    std::string name;
    std::function<std::string()> text;
    Origin origin = Origin::kDefault;
    bool takes_value = true;
  };
  void remember(CLI::Option* option, std::function<std::string()> text, bool takes_value = true);
  Entry& entry(const std::string& name);

  CLI::App& app_;
  std::string heading_ = "Options";
  std::vector<Entry> entries_;
};

}  // namespace shoal::launch
