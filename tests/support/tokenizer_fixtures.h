// Runs tokenizer fixtures: FOLDER/<tokenizer>/{tokenizer.json[.gz], encode, stages, decode,
// stream}.jsonl, FOLDER/_split (expressions alone) and FOLDER/_variants (tokenizers made from
// others). The format is described in tests/golden/tokenizers/README.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace quarry {

struct FixtureResult {
  std::string name;  // "gpt2/encode"
  bool pass;
  std::string detail;  // "0 of 428 differ", and the first that does
};

// One result for each tokenizer and file, expression and variant.
std::vector<FixtureResult> CheckTokenizerFixtures(const std::filesystem::path& folder);

}  // namespace quarry
