// A model that is split over files: their names, and the checks that make several headers one
// TensorDirectory. Names are PREFIX-00001-of-00005.gguf, counted from 1; `split.no` in the header
// counts from 0. The set is what the first shard and the names say, never what a folder happens to
// contain. No I/O.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/format/gguf.h"

namespace shoal::loader {

struct SplitName {
  std::string prefix;  // everything before "-00001-of-", folders included
  int number = 0;      // counted from 1, as in the name
  int count = 0;
};

// Empty for a name of another form and for numbers that contradict each other (6 of 5, 0 of 3).
std::optional<SplitName> parse_split_name(std::string_view path);
std::string split_path(const std::string& prefix, int number, int count);

// Every path of the set that `path` is one of; `path` alone when its name is of another form.
std::vector<std::string> split_paths(const std::string& path);

// Refuses `path`, one of split_paths(), which does not exist.
[[noreturn]] void refuse_missing_shard(const std::string& path);

struct ParsedModel {
  Metadata metadata;  // of the first shard: the later ones only number themselves
  TensorDirectory directory;
};

// `headers` in the order of split_paths(). The first may have no tensors; the later ones need no
// key but split.no. Throws ModelFileError.
ParsedModel join_shards(std::vector<ShardHeader> headers);

}  // namespace shoal::loader
