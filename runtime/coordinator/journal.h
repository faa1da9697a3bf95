// What was generated, on disk before any client sees it: one line and one write() a step.
//   step 12 epoch 1 | 3:7=8194 4:0=2608        sequence:index=token, index counts completion tokens
//   open 3 REQUEST_ID prompt 8193,2608 seed 0   a sequence enters
//   close 3 stop                                 a sequence ends, with its finish reason
// A write survives a killed coordinator; surviving a killed machine needs fsync, which is an
// option. A failed write turns the journal off with one warning; serving goes on. One thread.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/plan/step_plan.h"

namespace shoal::coordinator {

struct JournalToken {
  plan::SequenceId sequence = 0;
  int64_t index = 0;
  int32_t token = 0;
};

// Where the lines go.
class JournalStore {
 public:
  virtual ~JournalStore() = default;
  // Whether the whole line is kept; errno says why not.
  virtual bool append(std::string_view line) = 0;
};

class JournalFile final : public JournalStore {
 public:
  // Creates or appends, mode 0600. Throws Error(kUsage) when the file cannot be opened.
  JournalFile(const std::string& path, bool fsync);
  ~JournalFile() override;
  JournalFile(const JournalFile&) = delete;
  JournalFile& operator=(const JournalFile&) = delete;
  bool append(std::string_view line) override;

 private:
  int file_ = -1;
  bool fsync_ = false;
};

class Journal {
 public:
  explicit Journal(std::shared_ptr<JournalStore> store) : store_(std::move(store)) {}

  void open_sequence(plan::SequenceId id,
                     std::string_view request_id,
                     std::span<const int32_t> prompt,
                     uint64_t seed);
  void step(plan::StepId step, plan::Epoch epoch, std::span<const JournalToken> tokens);
  void close_sequence(plan::SequenceId id, std::string_view reason);

  bool is_on() const { return store_ != nullptr; }

 private:
  void append(std::string_view line);

  std::shared_ptr<JournalStore> store_;  // null once it is off
};

}  // namespace shoal::coordinator
