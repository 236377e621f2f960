// What every contender spawns: it ends at once, and loads no library before.
int main(void) { return 0; }
