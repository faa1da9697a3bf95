#include "loader/format/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "loader/format/model_config.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxTextChars = 200;

struct MixEntry {
  int num_tensors = 0;
  uint64_t bytes = 0;
  int64_t elements = 0;
  double bits_per_weight() const {
    return elements == 0 ? 0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(elements);
  }
};
using QuantMix = std::map<std::pair<TensorClass, DType>, MixEntry>;

QuantMix quant_mix(const TensorDirectory& directory) {
  QuantMix mix;
  for (const TensorInfo& tensor : directory.tensors()) {
    MixEntry& entry = mix[{tensor_class(tensor), tensor.dtype}];
    ++entry.num_tensors;
    entry.bytes += tensor.bytes;
    entry.elements += tensor.elements();
  }
  return mix;
}

int64_t num_parameters(const TensorDirectory& directory) {
  int64_t total = 0;
  for (const TensorInfo& tensor : directory.tensors()) total += tensor.elements();
  return total;
}

std::vector<int64_t> shape_of(const TensorInfo& tensor) {
  size_t dims = tensor.ne.size();
  while (dims > 1 && tensor.ne[dims - 1] == 1) --dims;
  return {tensor.ne.begin(), tensor.ne.begin() + dims};
}

Json value_json(const Metadata& metadata, const MetadataEntry& entry) {
  switch (entry.type) {
    case ValueType::kString:
      return printable(entry.payload, kMaxTextChars);
    case ValueType::kBool:
      return *metadata.get<bool>(entry.key);
    case ValueType::kArray:
      return {{"type", value_type_name(entry.element)}, {"count", entry.count}};
    case ValueType::kF32:
      // Through text: 1e-06 stays 1e-06 instead of the double next to the float.
      return Json::parse(fmt::format("{}", *metadata.get<float>(entry.key)), nullptr, false);
    case ValueType::kF64:
      return *metadata.number(entry.key);
    default:
      return static_cast<int64_t>(*metadata.number(entry.key));
  }
}

Json config_json(const ModelConfig& config) {
  std::string layers;
  for (const LayerKind kind : config.layers) layers += kind == LayerKind::kAttention ? 'A' : 'D';
  return {{"num_layers", config.num_layers},
          {"num_attention_layers", config.num_attention_layers()},
          {"layers", layers},
          {"context_length", config.context_length},
          {"hidden_size", config.hidden_size},
          {"vocab_size", config.vocab_size},
          {"num_heads", config.num_heads},
          {"num_kv_heads", config.num_kv_heads},
          {"head_dim", config.head_dim},
          {"rotary_dim", config.rotary_dim},
          {"num_k_heads", config.num_k_heads},
          {"num_v_heads", config.num_v_heads},
          {"state_dim", config.state_dim},
          {"num_experts", config.num_experts},
          {"num_topk", config.num_topk},
          {"moe_intermediate_size", config.moe_intermediate_size},
          {"shared_intermediate_size", config.shared_intermediate_size},
          {"tied_embeddings", config.tied_embeddings}};
}

std::string text_of(const Metadata& metadata, const char* key) {
  const MetadataEntry* entry = metadata.find(key);
  if (entry == nullptr || entry->type != ValueType::kString) return "";
  return printable(entry->payload, kMaxTextChars);
}

std::string scalar_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object())
    return fmt::format("{} x {}", value["count"].dump(), value["type"].get<std::string>());
  return value.dump();
}

std::string shard_lines(const Json& model) {
  std::string out;
  int number = 0;
  for (const Json& shard : model["shards"])
    out += fmt::format("  {:>3}  {:>10}  {:>5} tensors  {}\n",
                       ++number,
                       human_bytes(shard["bytes"].get<uint64_t>()),
                       shard["num_tensors"].get<int>(),
                       shard["path"].get<std::string>());
  return out;
}

std::string mix_lines(const Json& model) {
  std::string out = fmt::format(
      "  {:<14} {:<8} {:>7} {:>10} {:>7}\n", "class", "dtype", "tensors", "size", "bits");
  for (const Json& entry : model["quant_mix"])
    out += fmt::format("  {:<14} {:<8} {:>7} {:>10} {:>7.2f}\n",
                       entry["class"].get<std::string>(),
                       entry["dtype"].get<std::string>(),
                       entry["num_tensors"].get<int>(),
                       human_bytes(entry["bytes"].get<uint64_t>()),
                       entry["bits_per_weight"].get<double>());
  return out;
}

std::string shape_text(const Json& shape) {
  std::string out;
  for (const Json& ne : shape) out += (out.empty() ? "" : "x") + ne.dump();
  return out;
}

std::string tensor_lines(const Json& model) {
  std::string out = fmt::format("  {:<44} {:<8} {:<20} {:>5} {:>14} {:>12}\n",
                                "name",
                                "dtype",
                                "shape",
                                "shard",
                                "offset",
                                "bytes");
  for (const Json& tensor : model["tensors"])
    out += fmt::format("  {:<44} {:<8} {:<20} {:>5} {:>14} {:>12}\n",
                       tensor["name"].get<std::string>(),
                       tensor["dtype"].get<std::string>(),
                       shape_text(tensor["shape"]),
                       tensor["shard"].get<int>(),
                       tensor["offset"].get<uint64_t>(),
                       tensor["bytes"].get<uint64_t>());
  return out;
}

}  // namespace

Json describe_model(const Metadata& metadata, const TensorDirectory& directory) {
  Json out;
  out["architecture"] = text_of(metadata, "general.architecture");
  out["name"] = text_of(metadata, "general.name");
  Json config = nullptr;
  Json refusal = nullptr;
  try {
    config = config_json(parse_model_config(metadata, directory));
  } catch (const ModelFileError& error) {
    // Inspecting what cannot be run is a use of its own.
    refusal = error.what();
  }
  out["runnable"] = refusal.is_null();
  out["refusal"] = refusal;
  out["total_bytes"] = directory.total_bytes();
  out["num_parameters"] = num_parameters(directory);
  out["num_tensors"] = directory.tensors().size();
  out["fingerprint"] = fmt::format("{:016x}", directory.fingerprint());
  out["shards"] = Json::array();
  for (const ShardFile& shard : directory.shards())
    out["shards"].push_back({{"path", printable(shard.path, std::string::npos)},
                             {"bytes", shard.bytes},
                             {"data_offset", shard.data_offset},
                             {"num_tensors", 0}});
  out["config"] = config;
  out["metadata"] = Json::object();
  for (const MetadataEntry& entry : metadata.entries())
    out["metadata"][entry.key] = value_json(metadata, entry);
  out["quant_mix"] = Json::array();
  for (const auto& [key, entry] : quant_mix(directory))
    out["quant_mix"].push_back({{"class", tensor_class_name(key.first)},
                                {"dtype", dtype_name(key.second)},
                                {"num_tensors", entry.num_tensors},
                                {"bytes", entry.bytes},
                                {"bits_per_weight", entry.bits_per_weight()}});
  out["tensors"] = Json::array();
  for (const TensorInfo& tensor : directory.tensors()) {
    Json& shard = out["shards"][tensor.shard];
    shard["num_tensors"] = shard["num_tensors"].get<int>() + 1;
    out["tensors"].push_back({{"name", printable(tensor.name)},
                              {"class", tensor_class_name(tensor_class(tensor))},
                              {"layer", tensor_layer(tensor)},
                              {"dtype", dtype_name(tensor.dtype)},
                              {"shape", shape_of(tensor)},
                              {"shard", tensor.shard + 1},
                              {"offset", tensor.offset},
                              {"bytes", tensor.bytes}});
  }
  return out;
}

std::string describe_model_text(const Metadata& metadata,
                                const TensorDirectory& directory,
                                Detail detail) {
  const Json model = describe_model(metadata, directory);
  std::string out = fmt::format("{} ({}), {} parameters in {} tensors, {}\n",
                                model["name"].get<std::string>(),
                                model["architecture"].get<std::string>(),
                                grouped(model["num_parameters"].get<uint64_t>()),
                                model["num_tensors"].get<int>(),
                                human_bytes(model["total_bytes"].get<uint64_t>()));
  if (!model["refusal"].is_null())
    out += fmt::format("cannot be run: {}\n", model["refusal"].get<std::string>());
  out += "\nshards\n" + shard_lines(model);
  if (!model["config"].is_null()) {
    out += "\nconfiguration\n";
    for (const auto& [key, value] : model["config"].items())
      out += fmt::format("  {:<26} {}\n", key, scalar_text(value));
  }
  out += "\nmetadata\n";
  for (const auto& [key, value] : model["metadata"].items())
    out += fmt::format("  {:<50} {}\n", key, scalar_text(value));
  out += "\nquantisation mix\n" + mix_lines(model);
  if (detail == Detail::kTensors) out += "\ntensors\n" + tensor_lines(model);
  return out;
}

}  // namespace shoal::loader
