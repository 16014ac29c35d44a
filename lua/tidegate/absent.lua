-- SPDX-License-Identifier: Apache-2.0
--- Words that Tidegate will have and this version has not: using one is told as such, not as a typo.
return {
  words = {},
  fields = {},
  context = {},
}
