/* Stands for mstsc.exe: writes down its arguments and the file it is given. */
#include <stdio.h>

int main(int argc, char **argv)
{
    FILE *out = fopen("mstsc.args", "wb");
    for (int i = 1; i < argc; i++) {
        fputs(argv[i], out);
        fputc(0, out);
    }
    fclose(out);
    if (argc < 2)
        return 3;
    FILE *in = fopen(argv[1], "rb"), *copy = fopen("mstsc.rdp", "wb");
    if (!in || !copy)
        return 4;
    for (int c; (c = fgetc(in)) != EOF;)
        fputc(c, copy);
    fclose(in);
    fclose(copy);
    /* As if the person closed it with an error: culvert waits for nobody. */
    return 7;
}
