#include "runtime/scheduler/fair_share.h"

#include <algorithm>
#include <limits>

#include "runtime/base/check.h"

namespace shoal::scheduler {

double FairShare::weight(const std::string& owner) const {
  const auto found = weights_.find(owner);
  return found == weights_.end() ? 1.0 : std::clamp(found->second, kMinWeight, kMaxWeight);
}

double FairShare::counter(const std::string& owner) const {
  const auto found = accounts_.find(owner);
  if (found == accounts_.end()) return floor_;
  return found->second.works > 0 ? found->second.counter : std::max(found->second.counter, floor_);
}

FairShare::Turn FairShare::turn(const std::string& owner) const {
  const auto found = accounts_.find(owner);
  return {counter(owner), found == accounts_.end() ? 0 : -found->second.came_back};
}

void FairShare::begin(const std::string& owner) {
  Account& account = accounts_[owner];
  if (account.works++ > 0) return;
  account.counter = std::max(account.counter, floor_);
  account.came_back = ++num_returns_;
}

void FairShare::end(const std::string& owner) {
  const auto found = accounts_.find(owner);
  SHOAL_ASSERT(found != accounts_.end() && found->second.works > 0, "an owner ends too often");
  --found->second.works;
  move_floor();
}

void FairShare::charge(const std::string& owner, int64_t num_tokens) {
  const auto found = accounts_.find(owner);
  if (found == accounts_.end()) return;  // its last work ended while this ran
  found->second.counter += static_cast<double>(num_tokens) / weight(owner);
  move_floor();
}

void FairShare::move_floor() {
  double lowest = std::numeric_limits<double>::infinity(), highest = 0;
  for (const auto& [owner, account] : accounts_) {
    highest = std::max(highest, account.counter);
    if (account.works > 0) lowest = std::min(lowest, account.counter);
  }
  floor_ = std::max(floor_, lowest < std::numeric_limits<double>::infinity() ? lowest : highest);
  std::erase_if(accounts_, [&](const auto& entry) {
    return entry.second.works == 0 && entry.second.counter <= floor_;
  });
}

}  // namespace shoal::scheduler
