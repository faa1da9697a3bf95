#include "transport/nccl_comm.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/device/cuda_check.h"
#include "runtime/device/device_facts.h"
#include "runtime/device/memory.h"

namespace shoal::transport {
namespace {

using namespace std::chrono_literals;

// How long a comm that ends may take over it.
constexpr std::chrono::seconds kEnd{2};

std::string words(ncclResult_t result, ncclComm_t comm) {
  const char* last = comm != nullptr ? ncclGetLastError(comm) : nullptr;
  const bool more = last != nullptr && last[0] != '\0';
  return fmt::format("{}{}{}", ncclGetErrorString(result), more ? ": " : "", more ? last : "");
}

ncclUniqueId share_id(HostComm& host, Deadline deadline) {
  ncclUniqueId id{};
  std::vector<Request> requests;
  if (host.rank() == 0) {
    if (const ncclResult_t made = ncclGetUniqueId(&id); made != ncclSuccess)
      throw Error(ExitCode::kStartup, "ncclGetUniqueId: " + words(made, nullptr));
    for (int rank = 1; rank < host.size(); ++rank)
      requests.push_back(host.isend(rank, Tag::kDevice, std::as_bytes(std::span(&id, 1))));
  } else {
    requests.push_back(host.irecv(0, Tag::kDevice, std::as_writable_bytes(std::span(&id, 1))));
  }
  wait_all(requests, deadline);
  return id;
}

}  // namespace

bool has_nccl(std::string&) { return true; }

std::unique_ptr<DeviceComm> make_nccl_comm(HostComm& host, const device::Queue& queue) {
  return std::make_unique<NcclComm>(host, queue);
}

void NcclComm::connect(Deadline deadline) {
  deadline_ = deadline;
  watch_.emplace(host_, deadline);
  device::cuda_check(cudaGetDevice(&gpu_), "cudaGetDevice");
  try {
    make();
    meet_all(deadline);
  } catch (...) {
    abort();
    throw;
  }
}

void NcclComm::make() {
  const ncclUniqueId id = share_id(host_, deadline_);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  const ncclResult_t begun = ncclCommInitRankConfig(&comm_, size(), id, rank(), &config);
  if (begun != ncclSuccess && begun != ncclInProgress)
    throw Error(ExitCode::kStartup,
                fmt::format("ncclCommInitRank of rank {}: {}", rank(), words(begun, nullptr)));
  settle("ncclCommInitRank");
}

void NcclComm::meet_all(Deadline deadline) {
  constexpr size_t kBytes = 4096;
  const auto ranks = static_cast<size_t>(size());
  const device::Memory memory(device::MemoryKind::kDevice, 2 * ranks * kBytes);
  std::vector<DeviceSend> sends;
  std::vector<DeviceReceive> receives;
  for (int peer = 0; peer < size(); ++peer) {
    const size_t at = 2 * static_cast<size_t>(peer) * kBytes;
    sends.push_back({peer, memory.data() + at, kBytes});
    receives.push_back({peer, memory.data() + at + kBytes, kBytes});
  }
  exchange(sends, receives);
  device::Mark end;
  queue_.mark(end);
  while (!end.passed()) {
    check(deadline.passed());
    std::this_thread::yield();
  }
}

NcclComm::~NcclComm() {
  if (comm_ == nullptr) return;
  // Peers end at their own time: what they still wait for has been sent.
  const Deadline deadline = Deadline::after(kEnd);
  ncclResult_t state = ncclCommFinalize(comm_);
  while ((state == ncclSuccess || state == ncclInProgress) && !deadline.passed()) {
    if (ncclCommGetAsyncError(comm_, &state) != ncclSuccess) break;
    if (state != ncclInProgress) break;
    std::this_thread::yield();
  }
  if (state == ncclSuccess)
    ncclCommDestroy(comm_);
  else
    abort();
}

void NcclComm::checked(ncclResult_t result, const char* call, std::source_location place) const {
  if (result == ncclSuccess || result == ncclInProgress) return;
  throw PeerLost(-1, fmt::format("{} on rank {}: {}", call, rank(), words(result, comm_)), place);
}

void NcclComm::settle(const char* call, std::source_location place) {
  for (;;) {
    ncclResult_t state = ncclSuccess;
    checked(ncclCommGetAsyncError(comm_, &state), "ncclCommGetAsyncError", place);
    if (state == ncclSuccess) return;
    if (state != ncclInProgress) watch_->check();  // who it was, rather than that something broke
    checked(state, call, place);
    check(deadline_.passed());
    std::this_thread::yield();
  }
}

void NcclComm::check(bool late) {
  if (!watch_) return;  // nothing is exchanged yet
  watch_->check();
  if (comm_ == nullptr) throw PeerLost(-1, "the exchange between GPUs was ended");
  ncclResult_t state = ncclSuccess;
  checked(ncclCommGetAsyncError(comm_, &state), "ncclCommGetAsyncError");
  checked(state, "an exchange between GPUs");
  if (late)
    throw PeerLost(
        -1,
        fmt::format("rank {} waits for its peers' GPUs: none has ended on this host, and "
                    "the step's deadline has passed",
                    rank()));
}

void NcclComm::exchange(std::span<const DeviceSend> sends,
                        std::span<const DeviceReceive> receives) {
  if (comm_ == nullptr) throw PeerLost(-1, "the exchange between GPUs was ended");
  auto* const stream = static_cast<cudaStream_t>(queue_.view().handle);
  checked(ncclGroupStart(), "ncclGroupStart");
  for (const DeviceSend& send : sends)
    if (send.bytes > 0)
      checked(ncclSend(send.data, send.bytes, ncclInt8, send.to, comm_, stream), "ncclSend");
  for (const DeviceReceive& receive : receives)
    if (receive.bytes > 0)
      checked(ncclRecv(receive.data, receive.bytes, ncclInt8, receive.from, comm_, stream),
              "ncclRecv");
  checked(ncclGroupEnd(), "ncclGroupEnd");
  settle("ncclGroupEnd");
}

void NcclComm::abort() noexcept {
  if (comm_ == nullptr) return;
  // On a thread of its own: what hangs here must not keep this process, which is about to leave.
  struct Ending {
    ncclComm_t comm;
    std::vector<std::function<void()>> before;
    int gpu;
    std::atomic<bool> done = false;
  };
  try {
    const auto ending = std::make_shared<Ending>();
    ending->comm = std::exchange(comm_, nullptr);
    ending->before = std::move(before_);
    ending->gpu = gpu_;
    std::thread([ending] {
      try {
        device::choose_gpu(ending->gpu);
        for (const auto& before : ending->before) before();
      } catch (const std::exception& error) {
        log::warn("ending the exchange between GPUs: {}", error.what());
      }
      ncclCommAbort(ending->comm);
      ending->done = true;
    }).detach();
    const Deadline deadline = Deadline::after(kEnd);
    while (!ending->done && !deadline.passed()) std::this_thread::sleep_for(1ms);
    log::info("the exchange between GPUs {}", ending->done ? "was aborted" : "does not end");
  } catch (...) {
    // No memory or no thread: the process leaves all the same.
  }
  device::abandon_device();
}

}  // namespace shoal::transport
