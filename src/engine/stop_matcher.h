// Ends an answer before the first stop string, however it is cut into pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quarry {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops);

  // More of the answer. Returns what is sure to belong to it: text that may be the beginning of a
  // stop string is held back. After a match nothing more is returned.
  std::string Add(std::string_view text);
  // The answer has ended without a match: what was held back.
  std::string Flush();
  bool matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;  // none empty
  std::string held_;
  bool matched_ = false;
};

}  // namespace quarry
