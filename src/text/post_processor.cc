#include "text/post_processor.h"

#include <utility>

namespace quarry::text {

void TemplatePostProcessor::Apply(bool add_special, std::vector<TokenId>& ids) const {
  std::vector<TokenId> out;
  out.reserve(ids.size() + slots_.size());
  for (const Slot& slot : slots_) {
    if (!slot) {
      out.insert(out.end(), ids.begin(), ids.end());
    } else if (add_special) {
      out.push_back(*slot);
    }
  }
  ids = std::move(out);
}

}  // namespace quarry::text
