// What memory, queues and graphs of this folder need of CUDA, without CUDA's headers: pointers are
// device memory, pinned memory, cudaStream_t, cudaEvent_t and cudaGraphExec_t. A build without CUDA
// links cuda_unavailable.cpp, whose every function refuses in words. Throws Error; what ends a
// thing's life logs instead.
#pragma once
#include <cstddef>
#include <functional>

#include "runtime/device/device_facts.h"

namespace shoal::device::cuda {

DeviceFacts facts();  // of the current device

std::byte* allocate_device(size_t bytes);  // zeroed
void free_device(std::byte* memory) noexcept;
std::byte* allocate_pinned(size_t bytes);
void free_pinned(std::byte* memory) noexcept;

void* make_stream();
void free_stream(void* stream) noexcept;
void copy(void* stream, void* to, const void* from, size_t bytes);  // between any two memories
void fill_zero(void* stream, void* memory, size_t bytes);

void* make_event();
void free_event(void* event) noexcept;
void record(void* event, void* stream);
bool has_happened(void* event);

// What `work` enqueues on the stream, as one launchable whole; nothing of it runs.
void* capture(void* stream, const std::function<void()>& work);
void launch(void* graph, void* stream);
void free_graph(void* graph) noexcept;

}  // namespace shoal::device::cuda
