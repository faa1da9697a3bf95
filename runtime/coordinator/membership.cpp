#include "runtime/coordinator/membership.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/printable.h"

namespace shoal::coordinator {
namespace {

// Compares every byte whatever the first difference, so that time says nothing about the token.
bool same_token(const std::string& a, const std::string& b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

double seconds(std::chrono::milliseconds time) { return static_cast<double>(time.count()) / 1000; }

}  // namespace

Membership::Membership(MembershipConfig config) : config_(std::move(config)) {
  members_.resize(static_cast<size_t>(config_.world_size));
}

void Membership::begin_epoch(plan::Epoch epoch, TimePoint now) {
  epoch_ = epoch;
  began_ = now;
  rank_by_link_.clear();
  members_.assign(static_cast<size_t>(config_.world_size), Member{});
}

std::optional<std::string> Membership::hello(LinkId link,
                                             const control::Hello& hello,
                                             TimePoint now) {
  if (!same_token(hello.job_token, config_.job_token)) return "the job token is wrong";
  if (hello.epoch != epoch_)
    return fmt::format("epoch {} is over; this is epoch {}", hello.epoch, epoch_);
  if (hello.build != config_.build)
    return fmt::format("build '{}' is not the coordinator's '{}'",
                       printable(hello.build),
                       printable(config_.build));
  if (hello.world_size != config_.world_size)
    return fmt::format(
        "the job has {} ranks, {} were asked for", hello.world_size, config_.world_size);
  if (hello.rank < 0 || hello.rank >= config_.world_size)
    return fmt::format("rank {} is outside 0..{}", hello.rank, config_.world_size - 1);
  Member& member = members_[static_cast<size_t>(hello.rank)];
  if (member.state != State::kAbsent) return fmt::format("rank {} is already here", hello.rank);
  member.state = State::kLoading;
  member.link = link;
  member.host = hello.host;
  member.pid = hello.pid;
  member.last_heard = member.last_progress = now;
  rank_by_link_[link] = hello.rank;
  return std::nullopt;
}

std::optional<int> Membership::rank_of(LinkId link) const {
  const auto found = rank_by_link_.find(link);
  if (found == rank_by_link_.end()) return std::nullopt;
  return found->second;
}

void Membership::heard(LinkId link, TimePoint now) {
  if (const auto rank = rank_of(link)) members_[static_cast<size_t>(*rank)].last_heard = now;
}

void Membership::progress(LinkId link, const control::LoadProgress& progress, TimePoint now) {
  const auto rank = rank_of(link);
  if (!rank) return;
  Member& member = members_[static_cast<size_t>(*rank)];
  member.last_heard = member.last_progress = now;
  member.progress = progress;
  member.kernels = progress.kernels;
  if (progress.ready) member.state = State::kReady;
}

std::optional<LostRank> Membership::failure(LinkId link, const control::RankFailure& failure) {
  const auto rank = rank_of(link);
  if (!rank) return std::nullopt;
  members_[static_cast<size_t>(*rank)].state = State::kLost;
  return LostRank{*rank, failure.exit_code, printable(failure.message, 400)};
}

std::optional<LostRank> Membership::closed(LinkId link) {
  const auto rank = rank_of(link);
  if (!rank) return std::nullopt;
  Member& member = members_[static_cast<size_t>(*rank)];
  if (member.state == State::kLost) return std::nullopt;
  member.state = State::kLost;
  return LostRank{*rank, 0, fmt::format("rank {} died (its control link closed)", *rank)};
}

LostRank Membership::job_ended(const std::string& how) const {
  if (how.starts_with("rank ")) return LostRank{0, 0, how};  // the launcher saw which one
  for (size_t rank = 0; rank < members_.size(); ++rank)
    if (members_[rank].state == State::kAbsent)
      return LostRank{static_cast<int>(rank),
                      0,
                      fmt::format("rank {} never reported: the job ended ({})", rank, how)};
  return LostRank{0, 0, fmt::format("the job ended ({})", how)};
}

std::optional<LostRank> Membership::check(TimePoint now) const {
  for (size_t i = 0; i < members_.size(); ++i) {
    const Member& member = members_[i];
    const int rank = static_cast<int>(i);
    if (member.state == State::kAbsent && now - began_ > config_.startup_timeout)
      return LostRank{
          rank,
          0,
          fmt::format(
              "rank {} did not report in {:.0f} s", rank, seconds(config_.startup_timeout))};
    if (member.state == State::kLoading && now - member.last_progress > config_.startup_timeout)
      return LostRank{rank,
                      0,
                      fmt::format("rank {} has not got on with loading for {:.0f} s",
                                  rank,
                                  seconds(config_.startup_timeout))};
    if ((member.state == State::kLoading || member.state == State::kReady) &&
        now - member.last_heard > config_.heartbeat_timeout)
      return LostRank{
          rank,
          0,
          fmt::format(
              "rank {} has been silent for {:.1f} s", rank, seconds(config_.heartbeat_timeout))};
  }
  return std::nullopt;
}

bool Membership::everyone_here() const {
  return std::all_of(members_.begin(), members_.end(), [](const Member& member) {
    return member.state == State::kLoading || member.state == State::kReady;
  });
}

bool Membership::everyone_ready() const {
  return std::all_of(members_.begin(), members_.end(), [](const Member& member) {
    return member.state == State::kReady;
  });
}

}  // namespace shoal::coordinator
