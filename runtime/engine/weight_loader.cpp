#include "runtime/engine/weight_loader.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <map>
#include <mutex>

#include "kernels/cpu/row_product.h"
#include "kernels/ops/matmul.h"
#include "kernels/quant/decode_row.h"
#include "kernels/quant/split_blocks.h"
#include "loader/format/bad_file.h"
#include "loader/format/block_check.h"
#include "loader/format/scale_tensors.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/engine/synthetic_vector.h"

namespace shoal::engine {
namespace {

constexpr size_t kPage = 4096;
constexpr int64_t kCheckBytes = 1 << 20;  // a thread looks at them at a time

class Assembler {
 public:
  Assembler(const LoadJob& job,
            loader::WeightReader& reader,
            const std::function<void(uint64_t)>& progress)
      : job_(job), reader_(reader), progress_(progress), out_(std::make_unique<LoadedWeights>()) {
    for (const sharding::TensorSlice& slice : share().slices) slice_of_[slice.tensor_idx] = slice;
    if (job.queue != nullptr) out_->device = std::make_unique<DeviceWeights>(*job.queue, *job.pool);
  }

  std::unique_ptr<LoadedWeights> run();

 private:
  const sharding::RankShare& share() const {
    return job_.plan.ranks[static_cast<size_t>(job_.rank)];
  }
  const loader::TensorInfo& tensor(const std::string& name) const {
    return job_.files.directory.at(name);
  }
  // The rank's own part of a tensor; a tensor outside the share is a bug of the planner.
  std::span<const std::byte> bytes_of(const std::string& name);
  const sharding::TensorSlice& slice_of(const std::string& name) const;
  void check_numbers(const loader::TensorInfo& info,
                     const sharding::TensorSlice& slice,
                     std::span<const std::byte> bytes);
  // The part's rows, all experts' in turn, where the kernels want them.
  kernels::WeightView placed_rows(const std::string& name);
  std::vector<float> scales(const std::string& weight_name);  // empty: all 1
  kernels::WeightView matrix(const std::string& name);
  // Kernels of a device multiply float weights without a scale.
  void check_scale(const kernels::WeightView& view, const std::string& name) const;
  const float* vector(const std::string& name);
  std::vector<kernels::WeightView> experts(const std::string& name);
  std::pair<std::vector<kernels::WeightView>, std::vector<kernels::WeightView>> gates_and_ups(
      int layer);
  void layer(int index);
  void log_rate(std::chrono::duration<double> time) const;

  const LoadJob& job_;
  loader::WeightReader& reader_;
  const std::function<void(uint64_t)>& progress_;
  std::unique_ptr<LoadedWeights> out_;
  std::map<int, sharding::TensorSlice> slice_of_;
  std::vector<std::string> zeros_;  // tensors whose part holds nothing but zeros
  unsigned sum_ = 0;                // of one byte a page: what makes touching them observable
};

const sharding::TensorSlice& Assembler::slice_of(const std::string& name) const {
  const auto slice = slice_of_.find(job_.files.directory.find(name));
  SHOAL_ASSERT(slice != slice_of_.end(), "rank {} does not own {}", job_.rank, name);
  return slice->second;
}

// A NaN in one scale would be in every token's answer: told here, by name.
void Assembler::check_numbers(const loader::TensorInfo& info,
                              const sharding::TensorSlice& slice,
                              std::span<const std::byte> bytes) {
  const int64_t block_bytes = dtype_traits(info.dtype).block_bytes;
  std::mutex mutex;
  bool all_zero = true;
  std::optional<loader::BadBlock> bad;
  const auto check_blocks = [&](int64_t begin, int64_t end) {
    loader::TensorCheck check(info.dtype);
    check.feed(bytes.subspan(static_cast<size_t>(begin * block_bytes),
                             static_cast<size_t>((end - begin) * block_bytes)));
    const std::lock_guard lock(mutex);
    all_zero = all_zero && check.all_zero();
    if (!check.bad_block()) return;
    const int64_t index = begin + check.bad_block()->index;
    if (!bad || index < bad->index) bad = {index, check.bad_block()->is_nan};
  };
  const int64_t num_blocks = static_cast<int64_t>(bytes.size()) / block_bytes;
  if (job_.pool != nullptr)
    job_.pool->parallel_for(num_blocks, kCheckBytes / block_bytes, check_blocks);
  else
    check_blocks(0, num_blocks);
  if (all_zero && !bytes.empty()) zeros_.push_back(info.name);
  if (!bad) return;
  const loader::ByteRange range = loader::outer_range(info, slice.outer_begin, slice.outer_end);
  const auto skipped = static_cast<uint64_t>(bad->index * block_bytes);
  const auto block = (range.offset - info.offset + skipped) / static_cast<uint64_t>(block_bytes);
  loader::refuse(
      73,
      {job_.files.directory.shards()[static_cast<size_t>(info.shard)].path, range.offset + skipped},
      fmt::format("tensor {} {} {} {} {}",
                  loader::quoted(info.name),
                  is_quantized(info.dtype) ? "block" : "value",
                  block,
                  is_quantized(info.dtype) ? "has scale" : "is",
                  bad->is_nan ? "NaN" : "infinite"));
}

std::span<const std::byte> Assembler::bytes_of(const std::string& name) {
  const sharding::TensorSlice& slice = slice_of(name);
  const auto bytes = reader_.read(tensor(name), slice.outer_begin, slice.outer_end);
  check_numbers(tensor(name), slice, bytes);
  for (size_t at = 0; at < bytes.size(); at += kPage) sum_ += static_cast<unsigned>(bytes[at]);
  progress_(reader_.ledger().total_bytes());
  return bytes;
}

kernels::WeightView matrix_view(const loader::TensorInfo& info, const std::byte* data) {
  if (!kernels::accepts(info.dtype, kernels::ActivationFormat::kF32) &&
      !kernels::accepts(info.dtype, kernels::ActivationFormat::kInt16))
    throw ModelFileError(
        fmt::format("error[GGUF-66]: tensor '{}' is {}, which the cpu backend does not support",
                    info.name,
                    dtype_name(info.dtype)));
  return {.data = data, .dtype = info.dtype, .rows = info.ne[1], .cols = info.ne[0]};
}

std::vector<float> Assembler::scales(const std::string& weight_name) {
  const loader::TensorInfo* info = loader::find_scale(job_.files.directory, weight_name);
  if (info == nullptr) return {};
  std::vector<float> values(static_cast<size_t>(info->elements()));
  kernels::decode_row(info->dtype, bytes_of(info->name).data(), info->elements(), values.data());
  for (const float value : values)
    if (!std::isfinite(value))
      throw ModelFileError(
          fmt::format("error[GGUF-73]: tensor '{}' holds the scale {}", info->name, value));
  return values;
}

kernels::WeightView Assembler::placed_rows(const std::string& name) {
  const loader::TensorInfo& info = tensor(name);
  kernels::WeightView rows = matrix_view(info, nullptr);
  if (info.ne[2] > 1) {
    const sharding::TensorSlice& slice = slice_of(name);
    rows.rows *= slice.outer_end - slice.outer_begin;
  }
  if (job_.synthetic_seed)
    return out_->device->place_random(rows, seed_of(name, *job_.synthetic_seed), name);
  if (out_->device != nullptr) {
    const sharding::TensorSlice& slice = slice_of(name);
    const auto source = reader_.source(info, slice.outer_begin, slice.outer_end);
    SHOAL_ASSERT(source.range.bytes == static_cast<uint64_t>(rows.rows * rows.row_stride()),
                 "{}: {} bytes for {} rows of {}",
                 name,
                 source.range.bytes,
                 rows.rows,
                 rows.row_stride());
    const kernels::WeightView placed = out_->device->place(
        rows, [&source](uint64_t offset, std::span<std::byte> to) { source.read(offset, to); });
    progress_(reader_.ledger().total_bytes());
    return placed;
  }
  rows.data = bytes_of(name).data();
  return rows;
}

void Assembler::check_scale(const kernels::WeightView& view, const std::string& name) const {
  if (out_->device == nullptr || is_quantized(view.dtype) || view.scale == 1) return;
  throw ModelFileError(
      fmt::format("error[GGUF-66]: tensor '{}' is {} with a scale of its own, which the cuda "
                  "backend does not support: use the cpu backend",
                  name,
                  dtype_name(view.dtype)));
}

kernels::WeightView Assembler::matrix(const std::string& name) {
  kernels::WeightView view = placed_rows(name);
  const std::vector<float> scale = scales(name);
  if (!scale.empty()) view.scale = scale.front();
  check_scale(view, name);
  return view;
}

const float* Assembler::vector(const std::string& name) {
  const loader::TensorInfo& info = tensor(name);
  std::vector<float>& values = out_->vectors.emplace_back(static_cast<size_t>(info.elements()));
  if (job_.synthetic_seed)
    values = synthetic_vector(name, info.elements(), *job_.synthetic_seed);
  else
    kernels::decode_row(info.dtype, bytes_of(name).data(), info.elements(), values.data());
  return out_->device != nullptr ? out_->device->place(values) : values.data();
}

std::vector<kernels::WeightView> Assembler::experts(const std::string& name) {
  const int64_t rows = tensor(name).ne[1];
  const kernels::WeightView all = placed_rows(name);
  std::vector<kernels::WeightView> views;
  for (int64_t i = 0; i * rows < all.rows; ++i) views.push_back(rows_of(all, i, rows));
  const std::vector<float> scale = scales(name);
  const auto first = static_cast<size_t>(slice_of(name).outer_begin);
  for (size_t i = 0; i < views.size() && !scale.empty(); ++i) {
    views[i].scale = scale.at(first + i);
    check_scale(views[i], name);
  }
  return views;
}

// Two tensors, or one whose experts hold the gate's rows and then those of up.
std::pair<std::vector<kernels::WeightView>, std::vector<kernels::WeightView>>
Assembler::gates_and_ups(int layer) {
  const std::string fused = loader::layer_tensor(layer, "ffn_gate_up_exps.weight");
  if (job_.files.directory.find(fused) < 0)
    return {experts(loader::layer_tensor(layer, "ffn_gate_exps.weight")),
            experts(loader::layer_tensor(layer, "ffn_up_exps.weight"))};
  if (out_->device != nullptr)
    throw ModelFileError(fmt::format(
        "error[GGUF-66]: tensor '{}' holds gate and up in one, which a device backend does not "
        "support: use the cpu backend",
        fused));
  std::vector<kernels::WeightView> gates, ups;
  for (const kernels::WeightView& both : experts(fused)) {
    gates.push_back(rows_of(both, 0, both.rows / 2));
    ups.push_back(rows_of(both, 1, both.rows / 2));
  }
  return {std::move(gates), std::move(ups)};
}

void Assembler::layer(int index) {
  const auto name = [index](const char* suffix) { return loader::layer_tensor(index, suffix); };
  model::LayerWeights& layer = out_->weights.layers.emplace_back();
  layer.kind = job_.config.layers[static_cast<size_t>(index)];
  layer.attn_norm = vector(name("attn_norm.weight"));
  layer.post_attention_norm = vector(name("post_attention_norm.weight"));
  if (layer.kind == loader::LayerKind::kAttention) {
    layer.attention = {.q = matrix(name("attn_q.weight")),
                       .k = matrix(name("attn_k.weight")),
                       .v = matrix(name("attn_v.weight")),
                       .output = matrix(name("attn_output.weight")),
                       .q_norm = vector(name("attn_q_norm.weight")),
                       .k_norm = vector(name("attn_k_norm.weight"))};
  } else {
    layer.delta = {.qkv = matrix(name("attn_qkv.weight")),
                   .gate = matrix(name("attn_gate.weight")),
                   .alpha = matrix(name("ssm_alpha.weight")),
                   .beta = matrix(name("ssm_beta.weight")),
                   .out = matrix(name("ssm_out.weight")),
                   .conv = vector(name("ssm_conv1d.weight")),
                   .a = vector(name("ssm_a")),
                   .dt_bias = vector(name("ssm_dt.bias")),
                   .norm = vector(name("ssm_norm.weight"))};
  }
  model::MoeWeights& moe = layer.moe;
  moe.router = matrix(name("ffn_gate_inp.weight"));
  moe.shared_router = matrix(name("ffn_gate_inp_shexp.weight"));
  moe.shared = {.gate = matrix(name("ffn_gate_shexp.weight")),
                .up = matrix(name("ffn_up_shexp.weight")),
                .down = matrix(name("ffn_down_shexp.weight"))};
  const auto [gates, ups] = gates_and_ups(index);
  const auto downs = experts(name("ffn_down_exps.weight"));
  for (size_t i = 0; i < gates.size(); ++i) moe.experts.push_back({gates[i], ups[i], downs[i]});
}

void Assembler::log_rate(std::chrono::duration<double> time) const {
  if (job_.synthetic_seed) return;
  const auto bytes = static_cast<double>(reader_.ledger().total_bytes());
  log::info("weights: {:.2f} GB from the files to the device in {:.2f} s, {:.2f} GB/s",
            bytes / 1e9,
            time.count(),
            bytes / 1e9 / time.count());
}

std::unique_ptr<LoadedWeights> Assembler::run() {
  const auto begin = std::chrono::steady_clock::now();
  const sharding::RankGrid::Place place = job_.plan.grid.place(job_.rank);
  const auto stage = static_cast<size_t>(place.stage);
  if (place.stage == 0) out_->weights.embedding = matrix("token_embd.weight");
  for (int i = job_.plan.first_layer[stage]; i < job_.plan.first_layer[stage + 1]; ++i) layer(i);
  if (place.stage == job_.plan.grid.num_stages() - 1) {
    out_->weights.output_norm = vector("output_norm.weight");
    out_->weights.lm_head =
        matrix(job_.config.tied_embeddings ? "token_embd.weight" : "output.weight");
  }
  if (out_->device != nullptr) {
    out_->device->finish();
    log_rate(std::chrono::steady_clock::now() - begin);
  }
  if (!zeros_.empty())
    log::warn("{} tensors are all zeros, {} the first: a file may be an unfinished download",
              zeros_.size(),
              loader::quoted(zeros_.front()));
  volatile unsigned keep = sum_;
  (void)keep;
  return std::move(out_);
}

// The blocks behind the trunk, which predict further tokens, are read by nobody.
void log_skipped_blocks(const LoadJob& job) {
  std::map<int, std::pair<int, uint64_t>> blocks;  // tensors and bytes
  for (const loader::TensorInfo& tensor : job.files.directory.tensors()) {
    const int layer = loader::tensor_layer(tensor);
    if (layer < job.config.num_layers) continue;
    ++blocks[layer].first;
    blocks[layer].second += tensor.bytes;
  }
  for (const auto& [layer, what] : blocks)
    log::info("blk.{} predicts further tokens and is left out: {} tensors, {}",
              layer,
              what.first,
              human_bytes(what.second));
}

// One line for each type that all products decode by code that is not tuned.
void log_slow_types(const loader::TensorDirectory& directory, bool on_device) {
  std::map<DType, int> num_tensors;
  for (const loader::TensorInfo& tensor : directory.tensors()) {
    const bool fast =
        on_device ? !is_quantized(tensor.dtype) || kernels::find_block_cut(tensor.dtype).has_value()
                  : kernels::cpu::unpacks_with_vectors(tensor.dtype);
    if (!fast) ++num_tensors[tensor.dtype];
  }
  for (const auto& [dtype, count] : num_tensors)
    log::warn("{} tensors of type {} have no {}: their rows are decoded one by one",
              count,
              dtype_name(dtype),
              on_device ? "tuned kernels" : "vector code");
}

}  // namespace

std::unique_ptr<LoadedWeights> load_weights(const LoadJob& job,
                                            loader::WeightReader& reader,
                                            const std::function<void(uint64_t)>& progress) {
  if (job.rank == 0) log_skipped_blocks(job);
  if (job.rank == 0) log_slow_types(job.files.directory, job.queue != nullptr);
  return Assembler(job, reader, progress).run();
}

}  // namespace shoal::engine
