// usage: make_model SHAPE MIX FOLDER sparse|random [SEED] [options]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <map>
#include <string>

#include "runtime/base/printable.h"
#include "tests/tools/model_set.h"

int main(int argc, char** argv) {
  using shoal::tools::Fill;
  shoal::tools::ModelSpec spec;
  std::string folder;
  CLI::App app("Writes a GGUF model laid out as the public Qwen3.5 MoE files are");
  app.add_option("shape", spec.shape, shoal::tools::shape_names())->required();
  app.add_option("mix", spec.mix, shoal::tools::mix_names())->required();
  app.add_option("folder", folder, "Where the files go; it is made")->required();
  app.add_option("fill", spec.fill, "sparse: zeros that take no disk; random: noise of sane scale")
      ->required()
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Fill>{{"sparse", Fill::kSparse}, {"random", Fill::kRandom}}));
  app.add_option("seed", spec.seed, "Of the random weights; 1");
  app.add_option("--layers", spec.layers, "Instead of the shape's");
  app.add_option("--experts", spec.experts, "Instead of the shape's");
  app.add_option("--vocab", spec.vocab, "Tokens, instead of the shape's");
  app.add_option("--shard-bytes", spec.shard_bytes, "Most tensor data of a shard; 50000000000");
  app.add_option("--threads", spec.threads, "That make random weights; 0: the machine's");
  CLI11_PARSE(app, argc, argv);
  try {
    uint64_t bytes = 0;
    for (const std::string& path : shoal::tools::write_model_set(spec, folder)) {
      const uint64_t size = std::filesystem::file_size(path);
      bytes += size;
      fmt::print("{}  {}\n", path, shoal::grouped(size));
    }
    fmt::print("{} bytes\n", shoal::grouped(bytes));
  } catch (const std::exception& error) {
    fmt::print(stderr, "make_model: {}\n", error.what());
    return 1;
  }
  return 0;
}
