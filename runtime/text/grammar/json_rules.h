// The rules that JSON itself gives a grammar, and a collection of rules in the making. Expressions
// are text in the grammar notation.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace shoal::grammar {

class JsonRules {
 public:
  // A rule of its own for `body`; gives its name. Equal names get a number.
  std::string add(const std::string& name, const std::string& body);
  // For rules that refer to themselves: the name first, its body later.
  std::string reserve(const std::string& name);
  void define(const std::string& name, const std::string& body);

  // Each of these adds what it needs once, and gives the name of the rule.
  std::string space();      // white space between tokens, kept short
  std::string character();  // of a string, as itself or escaped
  std::string string();
  std::string integer();
  std::string number();
  std::string any_object();
  std::string any_array();
  std::string any_value();

  // The grammar with `root` as its start.
  std::string finish(const std::string& root);

 private:
  std::string once(const std::string& name, const std::string& body);
  void add_values();

  struct NamedRule {
    std::string name, body;
  };
  std::vector<NamedRule> rules_;
  std::map<std::string, int> taken_;  // names, and how many asked for each
};

}  // namespace shoal::grammar
