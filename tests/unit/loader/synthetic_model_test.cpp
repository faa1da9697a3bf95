// Headers without files against the sizes of files with the same shapes and mixes, which another
// program wrote (tensor data in GB, to the digits noted then).
#include "loader/format/synthetic_model.h"

#include <gtest/gtest.h>

#include "loader/format/model_config.h"
#include "loader/format/vocab.h"
#include "runtime/base/error.h"

namespace shoal::loader {
namespace {

TEST(SyntheticModel, EveryShapeAndMixIsAModel) {
  for (const std::string shape : {"35b", "122b", "397b", "tiny"})
    for (const std::string mix : {"ud-q4", "ud-q3", "mxfp4", "q8"}) {
      const auto model = synthetic_model("synthetic:" + shape + ":" + mix);
      ASSERT_TRUE(model);
      const ModelConfig config = parse_model_config(model->metadata, model->directory);
      EXPECT_EQ(config.num_attention_layers() * 4, config.num_layers);
      EXPECT_EQ(parse_vocab(model->metadata).tokens.size(), static_cast<size_t>(config.vocab_size));
    }
}

TEST(SyntheticModel, BytesAreThoseOfWrittenFiles) {
  const auto gigabytes = [](const std::string& name) {
    return static_cast<double>(synthetic_model(name)->directory.total_bytes()) / 1e9;
  };
  EXPECT_NEAR(gigabytes("synthetic:35b:ud-q4"), 22.1, 0.05);
  EXPECT_NEAR(gigabytes("synthetic:122b:ud-q4"), 76.7, 0.05);
  EXPECT_NEAR(gigabytes("synthetic:397b:ud-q4:12"), 50.6, 0.05);
  EXPECT_NEAR(gigabytes("synthetic:397b:ud-q3:12"), 37.1, 0.05);
}

TEST(SyntheticModel, NamesOfAnotherFormAreRefusedOrNotMeant) {
  EXPECT_FALSE(synthetic_model("/models/35b.gguf"));
  for (const char* name :
       {"synthetic:36b:ud-q4", "synthetic:35b", "synthetic:35b:ud-q4:0", "synthetic:35b:ud-q4:7x"})
    EXPECT_THROW(synthetic_model(name), Error) << name;
}

}  // namespace
}  // namespace shoal::loader
