// Whose turn it is among owners (API keys). Each has a counter of the tokens that ran for it,
// divided by its weight; of those with work the lowest counter goes first. Who comes back from
// idleness starts level with the lowest counter at work, or with the last one where nobody works:
// idleness is not saved up, and what others ran meanwhile is not owed. So while two owners have
// work all the time, their counters differ by at most what the larger of them runs between two
// turns. (The virtual token counter of Sheng et al., OSDI 2024.)
//
// A pure value: no clock. One thread. Holds only owners that have work, or that ran more than those
// who have.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace shoal::scheduler {

inline constexpr double kMinWeight = 0.01, kMaxWeight = 100;

class FairShare {
 public:
  // By owner; whoever is not named weighs 1.
  explicit FairShare(std::map<std::string, double> weights = {}) : weights_(std::move(weights)) {}

  double weight(const std::string& owner) const;
  // One piece of work more, waiting or running; one less.
  void begin(const std::string& owner);
  void end(const std::string& owner);
  void charge(const std::string& owner, int64_t num_tokens);

  // Tokens over weight, from a start that only differences speak of.
  double counter(const std::string& owner) const;
  // What turns are sorted by: the counter, and of equals who came back last.
  using Turn = std::pair<double, int64_t>;
  Turn turn(const std::string& owner) const;
  size_t num_owners() const { return accounts_.size(); }

 private:
  struct Account {
    double counter = 0;
    int64_t works = 0;
    int64_t came_back = 0;  // when, in times that anybody did
  };
  void move_floor();

  std::map<std::string, double> weights_;
  std::map<std::string, Account> accounts_;
  int64_t num_returns_ = 0;
  double floor_ = 0;  // the lowest counter at work; never falls
};

}  // namespace shoal::scheduler
