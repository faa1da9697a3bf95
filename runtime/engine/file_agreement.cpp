#include "runtime/engine/file_agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "loader/io/manifest.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/control/wire.h"

namespace shoal::engine {
namespace {

constexpr size_t kMaxMessage = size_t{1} << 16;
constexpr size_t kMaxRefusal = 8192;  // a path and a few words
constexpr size_t kMaxFiles = 1024;    // compared; no set has more

std::string ranks_text(const std::vector<int>& ranks) {
  std::string out = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i)
    out += fmt::format("{}{}", i == 0 ? "" : ", ", ranks[i]);
  return out;
}

std::vector<std::byte> encode(const FileFinding& finding) {
  control::ByteWriter out;
  out.put_string(finding.host.substr(0, 256));
  out.put_string(finding.refusal.substr(0, kMaxRefusal));
  const size_t count = std::min(finding.files.size(), kMaxFiles);
  out.put(static_cast<uint32_t>(count));
  for (size_t i = 0; i < count; ++i) {
    out.put(finding.files[i].bytes);
    out.put(finding.files[i].header_hash);
    out.put(finding.files[i].sample_hash);
  }
  return out.take();
}

FileFinding decode(std::span<const std::byte> bytes) {
  control::ByteReader in(bytes);
  FileFinding finding;
  finding.host = in.get_string();
  finding.refusal = in.get_string();
  finding.files.resize(std::min<size_t>(in.get<uint32_t>(), kMaxFiles));
  for (loader::FileIdentity& file : finding.files)
    file = {in.get<uint64_t>(), in.get<uint64_t>(), in.get<uint64_t>()};
  return finding;
}

// The first refusal, and whose it is unless it is everyone's.
std::string common_refusal(const std::vector<FileFinding>& findings) {
  const auto first = std::find_if(findings.begin(), findings.end(), [](const FileFinding& finding) {
    return !finding.refusal.empty();
  });
  if (first == findings.end()) return "";
  std::vector<int> ranks;
  for (size_t rank = 0; rank < findings.size(); ++rank)
    if (findings[rank].refusal == first->refusal) ranks.push_back(static_cast<int>(rank));
  if (ranks.size() == findings.size()) return first->refusal;
  return fmt::format("{} ({})", first->refusal, ranks_text(ranks));
}

std::string identity_text(const loader::FileIdentity& file) {
  return fmt::format("{} bytes, header {:016x}, data {:016x}",
                     grouped(file.bytes),
                     file.header_hash,
                     file.sample_hash);
}

// Who differs from rank 0, and a table of it in the log.
std::string common_files(const std::vector<FileFinding>& findings) {
  const std::vector<loader::FileIdentity>& expected = findings.front().files;
  std::string verdict;
  for (size_t shard = 0; shard < expected.size(); ++shard) {
    std::vector<int> others;
    for (size_t rank = 1; rank < findings.size(); ++rank)
      if (findings[rank].files.size() != expected.size() ||
          findings[rank].files[shard] != expected[shard])
        others.push_back(static_cast<int>(rank));
    if (others.empty()) continue;
    if (verdict.empty())
      verdict = fmt::format(
          "error[GGUF-91]: {} {} another shard {} than rank 0; give every node the same files",
          ranks_text(others),
          others.size() == 1 ? "has" : "have",
          shard + 1);
    log::error("shard {}: rank 0 on {}: {}",
               shard + 1,
               printable(findings.front().host),
               identity_text(expected[shard]));
    for (const int rank : others) {
      const FileFinding& other = findings[static_cast<size_t>(rank)];
      log::error("shard {}: rank {} on {}: {}",
                 shard + 1,
                 rank,
                 printable(other.host),
                 other.files.size() == expected.size()
                     ? identity_text(other.files[shard])
                     : fmt::format("a set of {} files", other.files.size()));
    }
  }
  return verdict;
}

std::string gather_and_judge(transport::HostComm& comm,
                             const FileFinding& mine,
                             Deadline deadline) {
  const auto size = static_cast<size_t>(comm.size());
  std::vector<std::vector<std::byte>> buffers(size, std::vector<std::byte>(kMaxMessage));
  std::vector<transport::Request> requests;
  for (int rank = 1; rank < comm.size(); ++rank)
    requests.push_back(
        comm.irecv(rank, transport::Tag::kControl, buffers[static_cast<size_t>(rank)]));
  transport::wait_all(requests, deadline);
  std::vector<FileFinding> findings = {mine};
  for (size_t rank = 1; rank < size; ++rank)
    findings.push_back(decode(std::span(buffers[rank]).first(requests[rank - 1].received_bytes())));
  std::string verdict = common_refusal(findings);
  if (verdict.empty()) verdict = common_files(findings);
  return verdict;
}

}  // namespace

FileFinding find_files(const std::string& path, const std::string& host) {
  FileFinding finding{.host = host};
  try {
    const loader::ModelFiles files = loader::open_model(path);
    loader::check_against_manifest(files);
    finding.files = loader::identify(files);
  } catch (const ModelFileError& error) {
    finding.refusal = error.what();
  }
  return finding;
}

void agree_on_files(transport::HostComm& comm, const FileFinding& mine, Deadline deadline) {
  std::vector<std::byte> verdict;
  std::vector<transport::Request> requests;
  if (comm.rank() == 0) {
    const std::string text = gather_and_judge(comm, mine, deadline);
    verdict.resize(text.size());
    std::copy(text.begin(), text.end(), reinterpret_cast<char*>(verdict.data()));
    for (int rank = 1; rank < comm.size(); ++rank)
      requests.push_back(comm.isend(rank, transport::Tag::kControl, verdict));
    transport::wait_all(requests, deadline);
  } else {
    const std::vector<std::byte> report = encode(mine);
    verdict.resize(kMaxMessage);
    requests.push_back(comm.isend(0, transport::Tag::kControl, report));
    requests.push_back(comm.irecv(0, transport::Tag::kControl, verdict));
    transport::wait_all(requests, deadline);
    verdict.resize(requests.back().received_bytes());
  }
  if (!verdict.empty())
    throw SharedVerdict({reinterpret_cast<const char*>(verdict.data()), verdict.size()});
}

}  // namespace shoal::engine
