// A valid model over three shards, a few kilobytes long, that a tokenizer, a template and the
// planner accept: shard 1 holds the metadata alone, as in the large public sets. What the table of
// bad files makes one change to.
#pragma once
#include <string>
#include <vector>

#include "tests/unit/loader/gguf_writer.h"
#include "tests/unit/loader/scratch_folder.h"

namespace shoal::loader::testing {

// The 256 bytes, then <|im_end|> (control, eos), <think> (user-defined), "ab" and an unused id.
inline constexpr int kSetVocab = 260;

std::vector<GgufFile> valid_set();
std::vector<std::string> set_bytes(const std::vector<GgufFile>& shards);

// "m-00002-of-00003.gguf" for number 2.
std::string set_file_name(int number, int count = 3);
// Writes one file for each of `bytes`; returns the path of the first.
std::string write_set(const ScratchFolder& folder, const std::vector<std::string>& bytes);

// "GGUF-08 1: text" -> the line that says it of the first file in `folder`, without "byte N: ".
std::string refusal_line(const std::string& refusal, const std::string& folder);

}  // namespace shoal::loader::testing
