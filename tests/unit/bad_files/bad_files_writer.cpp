// usage: bad_files_writer FOLDER     writes every bad set into a folder of its own, and a list of
// them, one JSON object a line: {"row", "name", "path", "line"}; "line" is the refusal without its
// "byte N: ". For tests that go through the programs.
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/bad_files/bad_case.h"
#include "tests/unit/bad_files/shard_set.h"

int main(int argc, char** argv) {
  using namespace shoal::loader::testing;
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  std::ofstream list(folder / "cases.jsonl");
  int number = 0;
  for (const BadCase& bad : bad_cases()) {
    Shards shards = valid_set();
    if (bad.edit) bad.edit(shards);
    Bytes bytes = set_bytes(shards);
    if (bad.spoil) bad.spoil(bytes);
    const auto place = folder / std::to_string(number++);
    std::filesystem::create_directory(place);
    for (size_t i = 0; i < bytes.size(); ++i)
      std::ofstream(place / set_file_name(static_cast<int>(i) + 1), std::ios::binary) << bytes[i];
    list << nlohmann::json{{"row", bad.row},
                           {"name", bad.name},
                           {"path", (place / set_file_name(1)).string()},
                           {"line", refusal_line(bad.refusal, place.string())}}
                .dump()
         << '\n';
  }
  return list.good() ? 0 : 1;
}
