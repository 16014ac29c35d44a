# SPDX-License-Identifier: Apache-2.0
# Writes a C file that holds the Lua library, so that the program needs no files beside it.
#
#   cmake -DOUTPUT=library_files.c -DROOT=lua -DFILES=tidegate/init.lua,tidegate/worker.lua -P embed.cmake
#
# FILES are relative to ROOT. tidegate/init.lua becomes the module "tidegate", tidegate/x.lua the
# module "tidegate.x".
string(REPLACE "," ";" files "${FILES}")
set(texts "")
set(rows "")
set(count 0)
foreach(file IN LISTS files)
  file(READ "${ROOT}/${file}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(/init)?\\.lua$" "" module "${file}")
  string(REPLACE "/" "." module "${module}")
  string(APPEND texts "static const unsigned char text_${count}[] = {${bytes}0};\n")
  string(APPEND rows
    "  {\"${module}\", (const char *)text_${count}, sizeof text_${count} - 1},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE "${OUTPUT}" "#include \"script/library.h\"\n\n${texts}
const struct tg_library_file tg_library_files[] = {\n${rows}  {0, 0, 0},\n};\n")
